"""Mix a few tracks, and read the mix back."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfdask.core.sound import SAMPLE_RATE, SoundGroup, SoundSource, SoundTrack, Soundtrack, Treatment
from hfdask.sound.mix import MIXER_VERSION, MixReport, mix
from hfdask.sound.reader import read_sound


def track(id: str = "a", *, start: float = 0.0, end: float, **fields: Any) -> SoundTrack:
    """Return a track that plays its source from the start on, unless ``fields`` say otherwise."""
    usual = {"source": 0, "origin": start, "pace": 1.0, "media_start": 0.0, "rate": 1.0}
    return SoundTrack(id=id, start=start, end=end, **{**usual, **fields})


def soundtrack(
    tracks: Sequence[SoundTrack],
    seconds: float,
    *,
    sources: int = 1,
    groups: Sequence[SoundGroup] = (),
    master: Treatment | None = None,
) -> Soundtrack:
    return Soundtrack(
        version=MIXER_VERSION,
        samples=round(seconds * SAMPLE_RATE),
        sources=tuple(SoundSource(name=f"{number}.wav", sha256="0" * 64, size=1) for number in range(sources)),
        tracks=tuple(tracks),
        groups=tuple(groups),
        master=master or Treatment(),
    )


def mixed(
    files: Path | Sequence[Path], tracks: Sequence[SoundTrack], seconds: float, **fields: Any
) -> tuple[MixReport, NDArray[np.float64]]:
    """Return the report of a mix, and its samples as they were before they were scaled."""
    paths = [files] if isinstance(files, Path) else list(files)
    with tempfile.TemporaryDirectory(prefix="mix-samples-") as folder:
        output = Path(folder) / "mix"
        report = mix(soundtrack(tracks, seconds, sources=len(paths), **fields), paths.__getitem__, output)
        samples = np.concatenate(list(read_sound(output)), axis=1)
    assert samples.shape == (2, report.samples)
    return report, samples.astype(np.float64) * report.gain
