"""Local, verified files of a plan's page (files, recorded answers, fonts), and the page itself."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path

from msgspec import Struct

from hfdask.browser import browser_thread
from hfdask.browser.capture import Frame, States, capture
from hfdask.browser.chromium import Chromium
from hfdask.browser.page_opening import open_page
from hfdask.browser.page_videos import LocalVideo, PageVideos
from hfdask.browser.session import PageSession
from hfdask.core.model import Manifest, Video, decode
from hfdask.core.video_source import FrameIndex
from hfdask.fonts.configuration import FontSetup, plan_fonts
from hfdask.manifest.plan import Plan
from hfdask.media.captured import Picture
from hfdask.network.intercept import Replay
from hfdask.network.messages import Source
from hfdask.rendering.hdr import capture_hdr
from hfdask.store import Store, materialised

_ABSENT = Path(os.devnull)
"""Stands for a file that has a name, but no content that could be served."""


class PlanPage(Struct, frozen=True):
    """Everything that a page of this plan needs for some frames. A page can access nothing else.

    Attributes
    ----------
    files : mapping of str to Path
        Files of the project. Source videos that no page asks for, and none of the frames shows, are only names.
    videos : PageVideos
        Its videos. Only videos that the frames show have a file.
    """

    manifest: Manifest
    files: Mapping[str, Path]
    network: Source
    fonts: FontSetup
    videos: PageVideos

    @classmethod
    @contextmanager
    def of(cls, store: Store, manifest: Manifest, frames: Collection[int]) -> Iterator[PlanPage]:
        """Fetch what these frames need and yield it, until the block ends.

        Raises
        ------
        MissingArtifactError, ArtifactDigestError, PlanCorruptError, StoreError
        """
        with materialised(store, manifest.objects, manifest.objects_for(frames)) as paths:
            yield cls.at(paths, manifest, frames)

    @classmethod
    def at(cls, paths: Mapping[str, Path], manifest: Manifest, frames: Collection[int]) -> PlanPage:
        """Return what these frames need, given local, verified files of at least these objects by digest."""
        there = (each for each in manifest.resources if each.sha256 in paths)
        return cls(
            manifest=manifest,
            files={each.path: paths.get(each.sha256, _ABSENT) for each in manifest.artifacts},
            network=Replay({each.key: (each, paths[each.sha256]) for each in there}),
            videos=_videos(manifest, paths, frames),
            fonts=plan_fonts(manifest.fonts, {each.name: paths[each.sha256] for each in manifest.fonts.files}),
        )

    @asynccontextmanager
    async def page(self) -> AsyncIterator[tuple[PageSession, bool]]:
        """Yield a loaded page in a leased browser, and true if the browser was warm. On the browser thread only."""
        pool = browser_thread().pool
        has_videos = bool(self.manifest.clips)
        page = self.manifest.page
        async with pool.opened(page.capture_mode, self.fonts, self._loaded, profile=has_videos, scale=page.scale) as (
            session,
            warm,
        ):
            yield session, warm

    @asynccontextmanager
    async def _loaded(self, chromium: Chromium) -> AsyncIterator[PageSession]:
        manifest = self.manifest
        has_videos = bool(manifest.clips)
        if chromium.pages:
            chromium.processes.cpu_seconds()  # what it did for others does not count
        async with open_page(
            chromium, self.files, manifest.page, manifest.fps.fraction, self.network, profile=has_videos
        ) as session:
            if has_videos:
                session.prepare_videos(self.videos.shapes())
            await session.load(manifest.entry)
            yield session

    def video_states(self, session: PageSession, frames: Sequence[int]) -> AbstractAsyncContextManager[States | None]:
        """Return a block with what `capture` asks for the videos of these frames, in this order; None if the plan has no videos."""
        return self.videos.states(session, frames)

    def capture(
        self, session: PageSession, start: int, end: int, states: States | None, *, damage_test: bool = True
    ) -> AsyncGenerator[Frame]:
        """Seek and capture the frames ``[start, end)`` of a page of this plan; see `hfdask.browser.capture.capture`."""
        transfer = self.manifest.encoder.transfer
        if transfer == "bt709":
            return capture(session, start, end, damage_test=damage_test, videos=states)
        return capture_hdr(session, start, end, transfer, damage_test=damage_test, videos=states)

    def pictures(self, frames: Sequence[int]) -> tuple[list[Picture], bool]:
        """Return pictures of single frames, and true if the browser was warm. On any thread but the browser's."""

        async def take() -> tuple[list[Picture], bool]:
            pictures = []
            async with self.page() as (session, warm), self.video_states(session, frames) as states:
                for frame in frames:
                    async for shot in self.capture(session, frame, frame + 1, states):
                        assert shot.picture is not None  # the first frame of a capture always has a picture
                        pictures.append(shot.picture.keep())
            return pictures, warm

        return browser_thread().run(take())


def _videos(manifest: Manifest, paths: Mapping[str, Path], frames: Collection[int]) -> PageVideos:
    shown = {number: _local(manifest.videos[number], paths) for number in manifest.shown_videos(frames)}
    sources = tuple(video.source for video in manifest.videos)
    return PageVideos(manifest.fps.fraction, manifest.clips, sources, shown, manifest.encoder.transfer)


def _local(video: Video, paths: Mapping[str, Path]) -> LocalVideo:
    stored = paths[video.index.sha256].read_bytes()
    return LocalVideo(paths[video.sha256], decode(stored, FrameIndex, f"the frame index of {video.name}"))


def fetch_fonts(plan: Plan) -> FontSetup:
    """Fetch only the fonts of a plan, which a browser needs to start.

    Raises
    ------
    MissingArtifactError, ArtifactDigestError, StoreError
    """
    fonts = plan.manifest.fonts
    with materialised(plan.location.store(), plan.manifest.objects, fonts.files) as paths:
        return plan_fonts(fonts, {each.name: paths[each.sha256] for each in fonts.files})
