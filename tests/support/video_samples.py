"""Make small videos: each frame shows its number as a bar code that can be read back, or has a known colour.

`bar_code_video` and `color_video` write a file at the path they are given. `cached` makes a file once in a test
session. All are written by PyAV, in this process.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

COLUMNS, ROWS = 8, 4
"""Blocks of a bar code: 16 bits in the upper two rows, their complement in the lower two."""

SAMPLES = "samples-"
"""Prefix of the folder of `cached` files, which stays until the process ends."""

DARK, LIGHT = 40, 215
"""Full-range grey levels of the blocks."""

MATRICES = {
    "bt709": Colorspace.ITU709,
    "bt601": Colorspace.ITU601,
    "smpte170m": Colorspace.SMPTE170M,
    "bt2020": Colorspace.BT2020,
}
TAGS = {  # primaries, transfer, matrix, as FFmpeg counts them
    "bt709": (1, 1, 1),
    "bt601": (6, 6, 5),
    "smpte170m": (6, 6, 6),
    "bt2020": (9, 14, 9),
    "pq": (9, 16, 9),
    "hlg": (9, 18, 9),
    "rgb": (1, 13, 0),
    None: (2, 2, 2),
}

_MADE: dict[str, Path] = {}
_EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.BITEXACT


def bar_code(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """Return the grey picture of a number from 0 to 65535, shape (height, width)."""
    bits = np.array([number >> bit & 1 for bit in range(16)]).reshape(2, COLUMNS)
    blocks = np.where(np.concatenate([bits, 1 - bits]), LIGHT, DARK).astype(np.uint8)
    rows = np.arange(height) * ROWS // height
    columns = np.arange(width) * COLUMNS // width
    return np.asarray(blocks[rows][:, columns])


def read_bar_code(picture: NDArray[Any]) -> int:
    """Return the number of a picture that is one bar code from edge to edge.

    Parameters
    ----------
    picture : ndarray, shape (height, width) or (height, width, channels)
        Luma of any depth and range, or RGB. A fourth channel is ignored.

    Raises
    ------
    ValueError
        If the picture is not a bar code: it is blank, turned, or a mixture of two.
    """
    grey = picture[..., :3].mean(-1) if picture.ndim == 3 else picture.astype(float)
    height, width = grey.shape
    blocks = np.empty((ROWS, COLUMNS))
    for row in range(ROWS):
        for column in range(COLUMNS):
            top, bottom = (height * (4 * row + edge) // (4 * ROWS) for edge in (1, 3))
            left, right = (width * (4 * column + edge) // (4 * COLUMNS) for edge in (1, 3))
            blocks[row, column] = grey[top : max(bottom, top + 1), left : max(right, left + 1)].mean()
    middle, contrast = (blocks.max() + blocks.min()) / 2, blocks.max() - blocks.min()
    clear = contrast > blocks.max() / 4 and (abs(blocks - middle) > contrast / 4).all()
    bits = blocks > middle
    if not clear or (bits[:2] == bits[2:]).any():
        raise ValueError(f"this picture of {width}x{height} is no bar code: blocks of {np.round(blocks).tolist()}")
    return int(sum(1 << bit for bit, on in enumerate(bits[:2].ravel()) if on))


def luma(frame: av.VideoFrame) -> NDArray[Any]:
    """Return a decoded frame's first plane without padding, shape (height, width)."""
    plane = frame.planes[0]
    if frame.format.is_rgb:
        return np.asarray(frame.to_ndarray(format="gray"))
    kind = np.dtype(np.uint8 if frame.format.components[0].bits == 8 else "<u2")
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return np.asarray(rows[:, : plane.width * kind.itemsize].copy().view(kind))


def to_frame(
    picture: NDArray[np.uint8], pix_fmt: str = "yuv420p", *, color: str | None = "bt709", full_range: bool = False
) -> av.VideoFrame:
    """Convert a picture to a frame, as a careful encoder does.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width), (height, width, 3) or (height, width, 4)
        Full-range grey, RGB or RGBA.
    pix_fmt : str
        Any of FFmpeg's formats.
    color : str or None
        One of `TAGS`. Only its matrix is applied. None stands for the matrix of BT.709.
    full_range : bool
        True if YUV spans 0 to 255.
    """
    name = "gray" if picture.ndim == 2 else {3: "rgb24", 4: "rgba"}[picture.shape[2]]
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=name)
    if name == "gray":
        frame = frame.reformat(format="rgb24")
    matrix = MATRICES["bt2020" if color in ("pq", "hlg") else color if color in MATRICES else "bt709"]
    target_range = (
        ColorRange.JPEG if full_range or pix_fmt.startswith(("rgb", "gbr", "bgr", "yuvj")) else ColorRange.MPEG
    )
    made = VideoReformatter().reformat(
        frame,
        format=pix_fmt,
        dst_colorspace=matrix,
        src_color_range=ColorRange.JPEG,
        dst_color_range=target_range,
        interpolation=_EXACT,
        threads=1,
    )
    made.color_primaries, made.color_trc, made.colorspace = TAGS[color]
    made.color_range = int(target_range)
    return made


def write_video(
    path: Path,
    frames: Iterable[av.VideoFrame],
    fps: Fraction | int = 30,
    *,
    codec: str = "libx264",
    container: str | None = None,
    gop: int = 12,
    bframes: int = 2,
    times: Sequence[Fraction] | None = None,
    start: Fraction = Fraction(0),
    time_base: Fraction | None = None,
    options: Mapping[str, str] | None = None,
    mux: Mapping[str, str] | None = None,
    color: str | None = "bt709",
    full_range: bool | None = False,
    pixel_aspect: Fraction | None = None,
    rotation: int = 0,
    hflip: bool = False,
    metadata: Mapping[str, str] | None = None,
    sound: tuple[Fraction, Fraction] | None = None,
) -> Path:
    """Encode frames to a file; `bar_code_video` names the options."""
    fps, listed = Fraction(fps), list(frames)
    moments = [start + t for t in (times or [n / fps for n in range(len(listed))])]
    ticks = time_base or Fraction(1, math.lcm(*(t.denominator for t in [*moments, 1 / fps])))
    with _usual_priority(), av.open(str(path), "w", format=container, options=dict(mux or {})) as file:
        stream = file.add_stream(codec, rate=fps)
        assert isinstance(stream, av.VideoStream)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = listed[0].width, listed[0].height, listed[0].format.name
        context.options = _quick(codec) | dict(options or {})
        context.gop_size, context.thread_count = gop, 1
        context.max_b_frames = bframes if codec in ("libx264", "libx265", "mpeg2video", "mpeg4") else 0
        context.time_base = stream.time_base = ticks
        context.color_primaries, context.color_trc, context.colorspace = TAGS[color]
        if full_range is not None:
            context.color_range = int(ColorRange.JPEG if full_range else ColorRange.MPEG)
        if pixel_aspect is not None:
            context.sample_aspect_ratio = stream.sample_aspect_ratio = pixel_aspect
        if rotation or hflip:
            stream.set_display_rotation(rotation, hflip=hflip)
        stream.metadata.update(metadata or {})
        tone = _sound(file, *sound) if sound else []
        for frame, moment in zip(listed, moments, strict=True):
            frame.pts, frame.time_base, frame.pict_type = round(moment / ticks), ticks, 0
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        file.mux(tone)
    return path


def bar_code_video(
    path: Path,
    frames: int,
    fps: Fraction | int = 30,
    *,
    size: tuple[int, int] = (160, 96),
    pix_fmt: str = "yuv420p",
    first: int = 0,
    **options: Any,
) -> Path:
    """Write a video whose frame ``n``, in display order, shows the bar code of ``first + n``.

    Parameters
    ----------
    path : Path
        File to write. Its suffix chooses the container, if ``container`` does not.
    frames : int
        Number of frames.
    fps : Fraction or int
        Frame ``n`` is at ``n / fps``.
    size : (width, height)
        At least 64x32 survives any codec.
    pix_fmt : str
        Pixel format of the encoder.
    first : int
        Number of the first frame.
    **options
        ``codec``, ``container``, ``gop``, ``bframes``, ``options`` of the encoder, ``mux`` options of the container;
        ``times`` in seconds of all frames instead of a rate, ``start`` added to them, ``time_base`` of the encoder;
        ``color`` (one of `TAGS`, None for untagged), ``full_range``, ``pixel_aspect``; ``rotation`` in degrees
        counter-clockwise, as FFmpeg counts, and ``hflip``; ``metadata`` of the stream; ``sound``: the start and the
        duration of a tone in seconds.

    Returns
    -------
    Path
        The path it was given.
    """
    tags = {"color": options.get("color", "bt709"), "full_range": bool(options.get("full_range", False))}
    pictures = (to_frame(bar_code(first + n, *size), pix_fmt, **tags) for n in range(frames))
    return write_video(path, pictures, fps, **options)


def color_video(
    path: Path,
    colors: Sequence[tuple[int, ...]],
    fps: Fraction | int = 1,
    *,
    size: tuple[int, int] = (64, 64),
    pix_fmt: str = "yuv420p",
    **options: Any,
) -> Path:
    """Write a video whose frame ``n`` is all of ``colors[n]``, in RGB or RGBA. Options: as for `bar_code_video`."""
    tags = {"color": options.get("color", "bt709"), "full_range": bool(options.get("full_range", False))}
    width, height = size
    pictures = (to_frame(np.full((height, width, len(c)), c, np.uint8), pix_fmt, **tags) for c in colors)
    return write_video(path, pictures, fps, **options)


def alpha_ramp(width: int = 64, height: int = 64, color: tuple[int, int, int] = (200, 120, 40)) -> NDArray[np.uint8]:
    """Return one colour whose alpha grows from 0 at the left edge to 255 at the right, shape (height, width, 4)."""
    picture = np.empty((height, width, 4), np.uint8)
    picture[..., :3] = color
    picture[..., 3] = np.round(np.linspace(0, 255, width))
    return picture


def cut_video(source: Path, path: Path, start: Fraction) -> Path:
    """Copy the packets from the key frame before ``start`` on, as ``ffmpeg -ss START -c copy`` does; return the path.

    In MP4 an edit list hides the frames before ``start``.
    """
    with av.open(str(source)) as file, av.open(str(path), "w") as copy:
        stream = file.streams.video[0]
        copied = copy.add_stream_from_template(stream)
        assert stream.time_base is not None
        ticks = round(start / stream.time_base)
        file.seek(ticks, stream=stream)
        for packet in file.demux(stream):
            if packet.dts is not None and packet.pts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - ticks, packet.dts - ticks, copied
                copy.mux(packet)
    return path


def truncated(source: Path, path: Path, share: float) -> Path:
    """Copy the first bytes of a file, like a download that was cut off; return the path."""
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def spoilt(source: Path, path: Path, number: int) -> Path:
    """Copy a video and overwrite one packet, counted in the order of decoding; return the path."""
    with av.open(str(source)) as file:
        packet = bytes([packet for packet in file.demux(video=0) if packet.size][number])
    path.write_bytes(source.read_bytes().replace(packet, b"\xff" * len(packet)))
    return path


def encrypted_video(path: Path) -> Path:
    """Write an MP4 file that is encrypted (cenc)."""
    key = {"encryption_key": "00112233445566778899aabbccddeeff", "encryption_kid": "0" * 32}
    return bar_code_video(path, 6, mux={"encryption_scheme": "cenc-aes-ctr", **key})


def sound_file(path: Path, *, cover: bool = False) -> Path:
    """Write a second of sound, perhaps with a cover picture (MP3)."""
    with av.open(str(path), "w") as file:
        picture = file.add_stream("mjpeg") if cover else None
        if isinstance(picture, av.VideoStream):
            picture.width, picture.height, picture.pix_fmt = 64, 64, "yuvj420p"
            picture.disposition = Disposition.attached_pic
        packets = _sound(file, Fraction(0), Fraction(1))
        if isinstance(picture, av.VideoStream):
            file.mux(picture.encode(to_frame(bar_code(1, 64, 64), "yuvj420p")))
            file.mux(picture.encode(None))
        file.mux(packets)
    return path


@contextlib.contextmanager
def _usual_priority() -> Iterator[None]:
    """Keep SVT-AV1 from real-time priority, which it takes as root, for its threads and the caller's later children.

    Capabilities belong to a thread, and new threads inherit them: see capabilities(7).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3, this thread
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, of which each has two words

    def call(function: Any) -> None:
        if function(header, sets):
            raise OSError(ctypes.get_errno(), "cannot change the capabilities of a thread")

    call(libc.capget)
    before = sets[0]
    sets[0] &= ~(1 << 23)  # CAP_SYS_NICE
    call(libc.capset)
    try:
        yield
    finally:
        sets[0] = before
        call(libc.capset)


def cached(make: Callable[..., Path], name: str, *arguments: Any, **options: Any) -> Path:
    """Return ``make(path, *arguments, **options)``, made once in this process, in a file of this name."""
    key = repr((make.__qualname__, name, arguments, sorted(options.items())))
    if key not in _MADE:
        _MADE[key] = make(Path(tempfile.mkdtemp(dir=_folder().name)) / name, *arguments, **options)
    return _MADE[key]


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix=SAMPLES)
    atexit.register(folder.cleanup)
    return folder


def _quick(codec: str) -> dict[str, str]:
    """Return options that make an encoder fast, quiet and good enough for bar codes."""
    return {
        "libx264": {"preset": "ultrafast", "crf": "12", "bf": "2"},
        "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=none:frame-threads=1"},
        "libvpx": {"deadline": "realtime", "cpu-used": "8", "b": "2M", "auto-alt-ref": "0"},
        "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "20", "b": "0"},
        "libsvtav1": {"preset": "12", "crf": "20", "svtav1-params": "lp=1"},
    }.get(codec, {})


def _sound(file: OutputContainer, start: Fraction, duration: Fraction) -> list[Packet[Any]]:
    """Add a track with a tone of 440 Hz to a file; return its packets."""
    codec = {"webm": "libopus", "mp3": "libmp3lame"}.get(file.format.name, "aac")
    stream = file.add_stream(codec, rate=48_000)
    assert isinstance(stream, AudioStream)
    stream.codec_context.layout = "mono"
    stream.codec_context.options = {}
    samples = np.sin(np.arange(round(duration * 48_000)) * (2 * np.pi * 440 / 48_000)) / 4
    frame = av.AudioFrame.from_ndarray(samples.astype(np.float32)[None], format="fltp", layout="mono")
    frame.sample_rate, frame.time_base, frame.pts = 48_000, Fraction(1, 48_000), round(start * 48_000)
    return [*stream.encode(frame), *stream.encode(None)]
