"""Decode a chunk while it is encoded, so that a chunk that cannot be decoded never counts as finished.

Most codecs have no checksums, so this finds damage that breaks their syntax, not every changed bit. Later damage is found by the
digest of the file in the chunk's record.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
from av.packet import Packet, PktSideDataT
from av.video.codeccontext import VideoCodecContext

from hfdask.core.model import EncoderSettings
from hfdask.errors import NotDecodableError
from hfdask.formats.codec import Codec

ALPHA: PktSideDataT = "matroska_block_additional"

THREADS = 2
"""Threads of the decoder. An encoder seldom gives packets faster than these decode them."""

_ADD_ID = 8


class Decoding:
    """Decode the packets of a chunk in their order; no picture is kept.

    Parameters
    ----------
    path : Path
        The chunk's file, for errors.
    context : VideoCodecContext
        The chunk's open encoder.
    codec : Codec
        Its codec.
    settings : EncoderSettings
        Its settings.

    Raises
    ------
    FFmpegError, ValueError
        If this FFmpeg has no decoder.
    """

    def __init__(self, path: Path, context: VideoCodecContext, codec: Codec, settings: EncoderSettings) -> None:
        self._path, self._codec = path, codec
        self._pixels = codec.decoded_format(settings)
        self._packets = self._pictures = 0
        self._keys: list[int] = []
        self._decoder = decoder_of(context, codec)
        self._decoder.thread_count = THREADS
        # The deblocking filter changes only pixels, which are not looked at.
        self._decoder.options = {**self._decoder.options, "skip_loop_filter": "all"}
        self._decoder.open()

    def take(self, packet: Packet[Any]) -> None:
        """Decode the next packet.

        Raises
        ------
        NotDecodableError
            If one of the packets so far cannot be decoded, or has other pixels than planned.
        """
        if self._codec.is_key is not None and any(map(self._codec.is_key, _parts(packet))):
            self._keys.append(self._packets)
        self._packets += 1
        self._decode(packet)

    def finish(self) -> None:
        """Decode what is left.

        Raises
        ------
        NotDecodableError
            As for `take`; or if there are not as many pictures as packets, or other key frames than the first picture. If every picture
            stands for itself, all of them must be key frames.
        """
        self._decode(None)
        if self._pictures != self._packets:
            raise self._failed(f"decodes to {self._pictures} pictures instead of {self._packets}")
        if fault := self._codec.fault_of_keyframes(self._keys, self._packets):
            raise self._failed(fault)

    def _decode(self, packet: Packet[Any] | None) -> None:
        try:
            for frame in self._decoder.decode(packet):
                if frame.format.name != self._pixels:
                    raise self._failed(f"has {frame.format.name} pixels instead of {self._pixels}")
                if self._codec.is_key is None and frame.key_frame:
                    self._keys.append(self._pictures)
                self._pictures += not frame.is_corrupt
        except av.FFmpegError as error:
            raise self._failed(f"does not decode beyond its frame {self._pictures}: {error}") from error

    def _failed(self, what: str) -> NotDecodableError:
        return NotDecodableError(f"{self._path.name} {what}", path=str(self._path), frame=self._pictures)


def decoder_of(context: VideoCodecContext, codec: Codec) -> VideoCodecContext:
    """Return a new decoder of a stream, given its encoder or another decoder. It shows alpha, and reports damage, which decoders otherwise hide."""
    decoder = av.CodecContext.create(codec.decoder_name, "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.extradata, decoder.codec_tag = context.extradata, context.codec_tag
    decoder.thread_type = "AUTO"
    decoder.options = {"err_detect": "explode"}
    return decoder


def _parts(packet: Packet[Any]) -> Iterator[bytes]:
    """Yield the bytes of a packet's picture, and of its alpha's, which has a number in front (Matroska's BlockAddID)."""
    yield bytes(packet)
    if packet.has_sidedata(ALPHA):
        yield bytes(packet.get_sidedata(ALPHA))[_ADD_ID:]
