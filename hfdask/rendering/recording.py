"""The frames of a chunk while they are captured and encoded, in the order of the video."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from hfdask.browser.capture import Frame
from hfdask.formats.encode import ChunkEncoder
from hfdask.media.captured import Picture


@dataclass(kw_only=True)
class Recording:
    """The finished frames of a chunk; all of this goes into the chunk's files.

    Attributes
    ----------
    path : Path
        The encoded file.
    digests, damage, taken : list
        By frame: its digest, true if it has a new picture, and true if a picture was taken.
    seconds, decode, seek : list of float
        By frame: wall seconds of its capture, and the parts of them as in `hfdask.core.results.FrameRecord`.
    encode_seconds, sizes : list
        By frame: wall seconds of its encoding, and its bytes.
    messages : list of str
        Messages of the page.
    before, last : Picture or None
        The frame before the chunk, and the last picture. The others are released as soon as the next one is encoded.
    before_digest : str or None
        Digest of the frame before the chunk.
    transparent : bool
        True if a pixel is not opaque.
    warm : bool
        True if the browser was warm.
    browser_bytes : int
        Peak memory of the browser.
    cpu_seconds : float
        CPU seconds, as in `hfdask.core.results.ChunkResult`.
    uploaded : int
        Bytes of the files.
    """

    path: Path
    digests: list[str] = field(default_factory=list)
    damage: list[bool] = field(default_factory=list)
    taken: list[bool] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    decode: list[float] = field(default_factory=list)
    seek: list[float] = field(default_factory=list)
    encode_seconds: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    before: Picture | None = None
    last: Picture | None = None
    before_digest: str | None = None
    transparent: bool = False
    warm: bool = False
    browser_bytes: int = 0
    cpu_seconds: float = 0.0
    uploaded: int = 0

    def encode(self, frame: Frame, encoder: ChunkEncoder) -> None:
        """Encode the next frame."""
        # A chunk whose first frame equals the frame before it still has to encode a picture.
        picture = frame.picture or (None if self.digests else self.last)
        shown = self.digests[-1] if self.digests else self.before_digest
        began = time.perf_counter()
        self.digests.append(encoder.repeat() if picture is None else encoder.encode(picture))
        self.encode_seconds.append(round(time.perf_counter() - began, 5))
        if frame.picture is not None:
            if self.last is not None:
                self.last.release()
            self.last = frame.picture
        self.damage.append(self.digests[-1] != shown)
        self.taken.append(frame.taken)
        self.seconds.append(round(frame.seconds, 5))
        self.decode.append(round(frame.decode, 5))
        self.seek.append(round(frame.seek, 5))

    def begin_after(self, picture: Picture, encoder: ChunkEncoder) -> None:
        """Take the picture of the frame before the chunk."""
        self.before = self.last = picture.keep()
        self.before_digest = encoder.digest(picture)

    def finish(self, encoder: ChunkEncoder) -> None:
        """Take what is known when the file is finished."""
        assert self.last is not None  # a chunk has a frame
        _ = self.last.keep().png  # will be stored; a film's planning goes on meanwhile
        self.sizes, self.transparent = encoder.sizes, encoder.transparent
        self.cpu_seconds += encoder.cpu_seconds
