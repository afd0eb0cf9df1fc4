"""The frames of a chunk while they are captured and encoded, in the order of the video."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hfdask.browser.capture import Frame
from hfdask.media.encode import ChunkEncoder


@dataclass(kw_only=True)
class Recording:
    """The finished frames of a chunk; all of this goes into the chunk's files.

    Attributes
    ----------
    path : Path
        The encoded file.
    digests, damage, seconds : list
        By frame: BLAKE3 of the pixels, true if it has a new picture, and wall seconds of its capture.
    messages : list of str
        Messages of the page.
    before : tuple of bytes and str, optional
        The frame before the chunk as PNG, and its digest.
    last : bytes
        The last picture as PNG.
    warm : bool
        True if the browser was warm.
    browser_bytes : int
        Peak memory of the browser.
    """

    path: Path
    digests: list[str] = field(default_factory=list)
    damage: list[bool] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    before: tuple[bytes, str] | None = None
    last: bytes = b""
    warm: bool = False
    browser_bytes: int = 0

    def encode(self, frame: Frame, encoder: ChunkEncoder) -> None:
        """Encode the next frame."""
        # A chunk whose first frame equals the frame before it still has to encode a picture.
        picture = frame.png or (None if self.digests else self.last)
        self.digests.append(encoder.repeat() if picture is None else encoder.encode(picture))
        self.last = frame.png or self.last
        self.damage.append(frame.png is not None)
        self.seconds.append(round(frame.seconds, 5))
