"""Mix the sounds of a plan, or find the mix of an earlier plan in the same store (docs/compositions.md, 10)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from hfdask.core.fields import Line, line
from hfdask.core.model import Environment, canonical_json, decode
from hfdask.core.scratch import scratch_subfolder
from hfdask.core.sound import PlannedSound, SoundSource, Soundtrack
from hfdask.core.values import Value
from hfdask.errors import HfdaskError, MissingArtifactError, PlanCorruptError
from hfdask.manifest.location import SOUNDS
from hfdask.planning.sounds import Sounding
from hfdask.planning.sources import named
from hfdask.sound.mix import MIXER_VERSION, mix, soundtrack_key
from hfdask.store import Snapshot, Store

_LIBRARIES = ("numpy", "scipy", "numba", "python-stretch")


class MixRecord(Value, frozen=True):
    """A mix in a plan's store, for later plans there (``sounds/<key>.json``).

    ``made_with`` has the versions of what has mixed it. Another version may compute other samples.
    """

    mix: PlannedSound
    made_with: Annotated[dict[Line, Line], Meta(max_length=20)]


def soundtrack_of(sounding: Sounding, sources: Sequence[SoundSource], samples: int) -> Soundtrack:
    """Return all that decides the samples of a plan's mix."""
    return Soundtrack(
        version=MIXER_VERSION,
        samples=samples,
        sources=tuple(sources),
        tracks=sounding.tracks,
        groups=sounding.groups,
        master=sounding.master,
    )


class Mixer:
    """Make the mixes of plans in one store. A mix that an earlier plan has made there is used again.

    Parameters
    ----------
    store : Store
        The plan's store.
    snapshot : Snapshot
        The plan's content, which has the sources. The mix is added to it.
    environment : Environment
        Versions of the decoders.
    """

    def __init__(self, store: Store, snapshot: Snapshot, environment: Environment) -> None:
        self._store = store
        self._snapshot = snapshot
        self._environment = environment

    @cached_property
    def _made_with(self) -> dict[str, str]:
        return {
            "pyav": self._environment.pyav,
            "ffmpeg": self._environment.ffmpeg,
            **{name: line(version(name)) for name in _LIBRARIES},
        }

    def mix(self, soundtrack: Soundtrack, elements: Sequence[str]) -> PlannedSound:
        """Return the mix of a soundtrack, and add it to the plan's content.

        Parameters
        ----------
        elements : sequence of str
            The element that plays each source, for messages.

        Raises
        ------
        AssetError, SoundReadError
            If a source cannot be decoded.
        """
        key = soundtrack_key(soundtrack)
        return self._earlier(key) or self._new(key, soundtrack, elements)

    def keep(self, sound: PlannedSound) -> None:
        """Note that a mix is in the store, for later plans. Call it when it is there."""
        record = MixRecord(mix=sound, made_with=self._made_with)
        self._store.put(_name(sound.key), canonical_json(record))

    def _earlier(self, key: str) -> PlannedSound | None:
        """Return the mix that an earlier plan made, if its content is still in the store and as it was."""
        what = self._store.url_of(_name(key))
        with suppress(MissingArtifactError, PlanCorruptError):
            record = self._store.read_as(_name(key), partial(decode, kind=MixRecord, what=what))
            same = record.mix.key == key and record.made_with == self._made_with
            if same and self._snapshot.adopt(record.mix):
                return record.mix
        return None

    def _new(self, key: str, soundtrack: Soundtrack, elements: Sequence[str]) -> PlannedSound:
        paths = [self._snapshot.file(source.sha256) for source in soundtrack.sources]
        with scratch_subfolder("sound") as folder:
            output = folder / "mix"
            try:
                report = mix(soundtrack, paths.__getitem__, output)
            except HfdaskError as error:
                raise _about_source(error, soundtrack, elements, paths) from error
            digest, size = self._snapshot.add(output)
        return PlannedSound(
            key=key,
            sha256=digest,
            size=size,
            samples=report.samples,
            gain=report.gain,
            true_peak=report.true_peak,
            loudness=report.loudness,
            clipped=report.clipped,
            tracks=report.tracks,
        )


def _name(key: str) -> str:
    return f"{SOUNDS}/{key}.json"


def _about_source(
    error: HfdaskError, soundtrack: Soundtrack, elements: Sequence[str], paths: Sequence[Path]
) -> HfdaskError:
    """Return an error about an object of the plan as an error about the source's file and its element."""
    for source, element, path in zip(soundtrack.sources, elements, paths, strict=True):
        if str(path) in error.message:
            about = named(error, path, source.name)
            return type(error)(f"{element}: {about.message}", **about.details)
    return error
