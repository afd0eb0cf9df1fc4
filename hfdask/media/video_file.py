"""Open source videos safely: only containers of media, and only the file itself.

Source videos are not trusted. FFmpeg also reads playlists and scripts that name other files and hosts. An author of a
project must not be able to read the worker's files that way. So only listed containers are opened, and only the protocol
for local files is allowed.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.codec.context import Flags, ThreadType
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition, Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from hfdask.core.video_source import MAX_SOURCE_PIXELS

_VIDEO = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,ogg,flv,asf,mxf,ivf"
_SOUND = "mp3,wav,flac,aac,aiff,caf,w64"  # so that an error can say that the file has only sound
_OPTIONS = {"format_whitelist": f"{_VIDEO},{_SOUND}", "protocol_whitelist": "file"}
_STREAM_OPTIONS = {"max_pixels": str(MAX_SOURCE_PIXELS)}
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own decoders drop the alpha
_USUAL = {
    "H.264": ("h264",),
    "HEVC": ("hevc",),
    "VP8": ("vp8",),
    "VP9": ("vp9",),
    "AV1": ("libdav1d", "libaom-av1"),  # FFmpeg's own decoder needs a graphics card
    "ProRes": ("prores",),
    "transparency of VP8": (_ALPHA_DECODERS["vp8"],),
    "transparency of VP9": (_ALPHA_DECODERS["vp9"],),
}

_PICTURE = Disposition.attached_pic | Disposition.timed_thumbnails


def open_media(path: Path) -> InputContainer:
    """Open a media file for reading.

    Raises
    ------
    av.FFmpegError
        If its container is not in the list, or if it is damaged.
    """
    return av.open(f"file:{path}", "r", container_options=_OPTIONS, options=_STREAM_OPTIONS, metadata_errors="replace")


def moving_streams(file: InputContainer) -> list[VideoStream]:
    """Return the video streams of a file, without cover pictures and thumbnails."""
    return [stream for stream in file.streams.video if not stream.disposition & _PICTURE]


def packet_sizes(path: Path) -> tuple[int, ...]:
    """Return the bytes of each frame of a video file's first stream, in the order of the file.

    Raises
    ------
    av.FFmpegError
        If it cannot be read.
    """
    with open_media(path) as file:
        return tuple(packet.size for packet in packets_of(file, file.streams.video[0]))


def earliest_start(file: InputContainer) -> Fraction:
    """Return the time, in seconds of the file's clock, at which its first stream of pictures or sound begins."""
    starts = [
        stream.start_time * stream.time_base
        for stream in (*moving_streams(file), *file.streams.audio)
        if stream.start_time is not None and stream.time_base is not None
    ]
    return min(starts, default=Fraction(0))


def read_only(file: InputContainer, stream: Stream) -> None:
    """Make the demuxer drop all packets of other streams."""
    for other in file.streams:
        other.discard = Discard.default if other.index == stream.index else Discard.all


def packets_of(file: InputContainer, stream: Stream) -> Iterator[Packet[Any]]:
    """Yield the packets of a stream up to the end of the file. The file may have been cut off within a packet."""
    try:
        yield from (packet for packet in file.demux(stream) if packet.size)
    except av.error.InvalidDataError:
        return
    except IndexError:
        return  # PyAV 18 raises this at the end of a file in which a stream appeared late


def usual_decoders() -> dict[str, bool]:
    """Return the usual kinds of video, and whether this FFmpeg can decode each of them in software."""
    return {kind: any(map(_is_there, names)) for kind, names in _USUAL.items()}


def _is_there(decoder: str) -> bool:
    try:
        av.Codec(decoder, "r")
    except av.codec.codec.UnknownCodecError:
        return False
    return True


def decoder_of(stream: VideoStream, *, alpha: bool) -> VideoCodecContext:
    """Return a decoder for a stream. It has one thread, and gives the same pixels on every CPU.

    More threads in a decoder would not save CPU time, and a worker already runs one chunk on each core.
    """
    name = _ALPHA_DECODERS.get(stream.codec_context.name) if alpha else None
    context: Any = stream.codec_context
    if name is not None:
        context = av.CodecContext.create(name, "r")
        context.extradata = stream.codec_context.extradata
    context.thread_type, context.thread_count = ThreadType.NONE, 1
    context.options = {**context.options, **_STREAM_OPTIONS}
    context.flags |= Flags.bitexact
    decoder: VideoCodecContext = context
    return decoder
