"""Open source videos, which nobody has checked: only real media containers, only the file itself.

FFmpeg also reads playlists and scripts that name other files and hosts. Whoever can put a file into a project must not
read the worker's files that way. So the containers are a list, and the only protocol is that of local files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
from av.codec.context import Flags, ThreadType
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from hfdask.core.video_source import MAX_SOURCE_PIXELS

_VIDEO = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,ogg,flv,asf,mxf,ivf"
_SOUND = "mp3,wav,flac,aac,aiff,caf,w64"  # to be able to say that they are sound
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
        If it is none of the known containers, or is damaged.
    """
    return av.open(f"file:{path}", "r", container_options=_OPTIONS, options=_STREAM_OPTIONS, metadata_errors="replace")


def moving_streams(file: InputContainer) -> list[VideoStream]:
    """Return the video streams of a file, without cover pictures and thumbnails."""
    return [stream for stream in file.streams.video if not stream.disposition & _PICTURE]


def read_only(file: InputContainer, stream: VideoStream) -> None:
    """Let the demuxer drop all packets of other streams."""
    for other in file.streams:
        other.discard = Discard.default if other.index == stream.index else Discard.all


def packets_of(file: InputContainer, stream: VideoStream) -> Iterator[Packet[Any]]:
    """Yield the packets of a stream up to the end of the file, which may be a cut within a packet."""
    try:
        yield from (packet for packet in file.demux(stream) if packet.size)
    except av.error.InvalidDataError:
        return
    except IndexError:
        return  # so PyAV 18 ends a file in which a stream appeared later


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
    """Return a decoder for a stream, with one thread, that gives the same pixels on every CPU.

    A decoder's own threads cost no less CPU, and a worker runs one chunk a core.
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
