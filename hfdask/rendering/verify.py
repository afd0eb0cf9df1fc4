"""Check a video against its certificate, and render some frames again."""

from __future__ import annotations

import os
from pathlib import Path

from hfdask.assembly.certificate import SUFFIX, Certificate, CertifiedFile, Verification
from hfdask.browser.environment import require_environment
from hfdask.core.forks import worked
from hfdask.core.model import decode
from hfdask.core.scratch import scratch_subfolder
from hfdask.errors import ArtifactDigestError, CertificateError, InvalidConfigError, MissingArtifactError
from hfdask.formats.samples import Samples
from hfdask.formats.table import folder_named
from hfdask.manifest.plan import Plan
from hfdask.rendering.plan_page import PlanPage
from hfdask.store import Location, StorageOptions, Store, concurrently, shown, split_url

SAMPLE = 10


@worked
def verify(
    video: str | os.PathLike[str],
    certificate: str | os.PathLike[str] | None = None,
    *,
    plan_url: str | os.PathLike[str] | None = None,
    sample: int = SAMPLE,
    storage_options: StorageOptions | None = None,
) -> Verification:
    """Check a video against its certificate, and render some of its frames again.

    Parameters
    ----------
    video : str or path
        The video: any fsspec URL. With several files, such as a folder of pictures or a playlist, all of them are checked.
    certificate : str or path, optional
        Its certificate. Default: next to it.
    plan_url : str or path, optional
        URL of the plan, if it has moved. Default: the URL in the certificate.
    sample : int
        Number of frames to render again, evenly spread.
    storage_options : mapping, optional
        Arguments of the file systems.

    Raises
    ------
    CertificateError
        If the video is not the certified one, the plan is not its plan, or a frame is rendered differently. ``details``
        names the frames.
    MissingArtifactError
        If the video, one of its files, the certificate or the plan does not exist.
    EnvironmentMismatchError
        If this machine's software does not match the plan.
    """
    if isinstance(sample, bool) or not isinstance(sample, int) or sample < 1:
        raise InvalidConfigError(f"sample must be a number of frames, at least 1, not {sample!r}", field="sample")
    store, name = split_url(video, storage_options, may_be_folder=True)
    papers, paper = split_url(certificate, storage_options) if certificate is not None else (store, name + SUFFIX)
    known = decode(_certificate(papers, paper), Certificate, papers.url_of(paper))
    _require_files(store, name, known, papers.url_of(paper))
    where = plan_url or known.plan_url
    try:
        plan = Plan.open(where, Location.at(store).options_for(where))
    except MissingArtifactError as error:
        raise MissingArtifactError(
            f"no plan is at {shown(where)}: render with plan_dir to keep plans, or pass plan_url", url=shown(where)
        ) from error
    if plan.hash != known.plan_hash:
        raise CertificateError(f"the plan at {plan.url} is not the video's plan", plan=plan.url)
    if known.sound != (plan.manifest.sound.key if plan.manifest.sound else None):
        raise CertificateError(f"{papers.url_of(paper)} certifies another sound than the plan's", plan=plan.url)
    require_environment(plan.manifest.environment)
    total = len(known.frame_digests)
    if total != plan.manifest.frames:
        raise CertificateError(
            f"{papers.url_of(paper)} certifies {total} frames, but its plan has {plan.manifest.frames}"
        )
    count = min(sample, total)
    chosen = tuple(round(k * (total - 1) / max(1, count - 1)) for k in range(count))
    with PlanPage.of(plan.location.store(), plan.manifest, chosen) as plan_page:
        pictures, _ = plan_page.pictures(chosen)
    samples = Samples(plan.manifest.encoder)
    digests = [samples.digest(picture) for picture in pictures]
    different = [frame for frame, digest in zip(chosen, digests, strict=True) if digest != known.frame_digests[frame]]
    if different:
        raise CertificateError(f"frames {different} of {name} are rendered differently here", frames=different)
    return Verification(video=store.url_of(name), plan_hash=plan.hash, frames=total, checked=chosen)


def _certificate(papers: Store, paper: str) -> bytes:
    try:
        return papers.read(paper, Certificate.LIMIT)
    except MissingArtifactError as error:
        where = papers.url_of(paper)
        raise MissingArtifactError(
            f"no certificate is at {where}: render with certificate to write one, or name another place", url=where
        ) from error


def _require_files(store: Store, name: str, known: Certificate, paper: str) -> None:
    """Check that the files of a video are the certified ones."""
    base, first = store, [CertifiedFile(name=name, sha256=known.sha256, size=known.size)]
    if folder_named(name):
        base, first = Location.at(store, name).store(), []
        there = base.names()
        if not there:
            raise MissingArtifactError(f"{store.url_of(name)} does not exist", url=store.url_of(name))
        strange = sorted({each.name for each in known.files} ^ there.keys())
        if strange:
            what = "has" if strange[0] in there else "lacks"
            raise CertificateError(
                f"{store.url_of(name)} is not the folder that {paper} certifies: it {what} {strange[0]!r}", video=name
            )
    with scratch_subfolder("verify") as folder:
        concurrently(
            lambda item: _require_file(base, item[1], folder / str(item[0]), paper), enumerate([*first, *known.files])
        )


def _require_file(base: Store, file: CertifiedFile, copy: Path, paper: str) -> None:
    try:
        base.fetch(file.name, copy, file.size, file.sha256)
    except ArtifactDigestError as error:
        raise CertificateError(
            f"{base.url_of(file.name)} is not the file that {paper} certifies", video=file.name
        ) from error
    copy.unlink(missing_ok=True)  # there is none if the store is local
