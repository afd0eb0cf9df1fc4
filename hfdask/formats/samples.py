"""Frames for an encoder, made of captured pictures: their colours in the pixel format of the video."""

from __future__ import annotations

import av
import numpy as np

from hfdask.core.model import EncoderSettings
from hfdask.media.captured import Picture
from hfdask.media.fringes import without_fringes
from hfdask.media.picture import Converter, frame_digest


class Samples:
    """Make the frames of a video of captured pictures. It serves one thread at a time.

    Parameters
    ----------
    settings : EncoderSettings
        Settings of the plan; nothing is derived from this machine.
    """

    def __init__(self, settings: EncoderSettings) -> None:
        self._converter = Converter(settings.pixel_format, settings.transfer)
        self._to_yuv = settings.pixel_format.startswith("yuv")
        self._lossy_alpha = settings.pixel_format.startswith("yuva")

    def of(self, picture: Picture) -> av.VideoFrame:
        """Return the frame that is encoded for a picture, with its colours marked. It does not share the memory of a page.

        Raises
        ------
        MediaError
            If the picture is a PNG that is broken.
        FFmpegError, ValueError
            If the pixels cannot be converted.
        """
        if self._lossy_alpha:
            frame = _without_fringes(picture.frame)
        else:
            frame = picture.source if self._to_yuv else picture.frame
        samples = self._converter.convert(frame)
        self._converter.tag(samples)
        return samples

    def digest(self, picture: Picture) -> str:
        """Return the digest of that frame, see `hfdask.media.picture.frame_digest`."""
        return frame_digest(self.of(picture))

    def tag(self, target: av.VideoCodecContext) -> None:
        """Mark an encoder with the colours of the frames."""
        self._converter.tag(target)


def _without_fringes(frame: av.VideoFrame) -> av.VideoFrame:
    pixels = np.asarray(frame.to_ndarray(), dtype=np.uint8)
    return av.VideoFrame.from_ndarray(without_fringes(pixels), format="rgba")
