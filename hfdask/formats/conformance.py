"""Verify a finished video before it is published.

A file that plays can still be wrong: a rate that is off by a thousandth, a frame shown twice, colours that a player
guesses, an index at the end that keeps browsers waiting. So the finished file is opened again, as by a player, and all
of its properties are compared with the plan. Its packets were decoded when they were copied (`hfdask.formats.join`).
Here they are only compared by their digest.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream
from blake3 import blake3
from msgspec import Struct

from hfdask.core.sound import SAMPLE_RATE
from hfdask.formats.codec import Codec
from hfdask.formats.format import Planned, invalid
from hfdask.formats.hdr import light_fault
from hfdask.formats.join import ALPHA_MODE, Going, JoinReport, add_packet, frame_tick, proceed
from hfdask.media.picture import tags_of, video_side
from hfdask.media.sound_file import SoundFile

DURATION_TOLERANCE = Fraction(1, 1000)
SKIPPED = Fraction(1, 50)
"""Seconds of a packet of Opus, of which players may skip all but the first sample."""


class _Scan(Struct):
    """Times of all packets in seconds, and BLAKE3 (hex) of their bytes."""

    times: list[Fraction]
    keys: list[Fraction]
    digest: str = ""


def verify(
    path: Path,
    codec: Codec,
    planned: Planned,
    joined: JoinReport,
    sound: SoundFile | None,
    going: Going = proceed,
) -> None:
    """Check a finished file of one video track, and one sound track if there is ``sound``, against its plan.

    Parameters
    ----------
    path, planned, joined, sound, going
        As in `hfdask.formats.format.Format.verify`.
    codec : Codec
        The codec of the video.

    Raises
    ------
    OutputInvalidError
        If something differs. The message says what, and ``details["check"]`` names it.
    """
    try:
        with av.open(str(path)) as container:
            if len(container.streams.video) != 1:
                raise invalid(path, "streams", f"it has {len(container.streams.video)} video tracks")
            video = container.streams.video[0]
            _check_stream(path, video, codec, planned)
            _check_rates(path, container, video, codec, planned, sound)
            _check_light(path, planned)
            scan = _scan(container, video, going)
            _check_frames(path, scan, planned, codec.keyframes(planned.starts, planned.frames))
            if scan.digest != joined.digest:
                raise invalid(path, "packets", "its packets differ from the chunks' packets")
        _check_sound(path, sound)
    except av.FFmpegError as error:
        raise invalid(path, "file", f"it cannot be read: {error}") from error


def _check_stream(path: Path, video: VideoStream, codec: Codec, planned: Planned) -> None:
    context, settings = video.codec_context, planned.settings
    wanted = av.Codec(settings.codec, "w").canonical_name
    if context.codec.canonical_name != wanted:
        raise invalid(path, "codec", f"its codec is {context.codec.canonical_name} instead of {wanted}")
    size = tuple(video_side(side, settings.pixel_format) for side in (planned.width, planned.height))
    if (context.width, context.height) != size:
        raise invalid(path, "size", f"it has {context.width}x{context.height} pixels instead of {size[0]}x{size[1]}")
    pixels = codec.opaque if codec.has_alpha_beside(settings) else codec.decoded_format(settings)
    if context.pix_fmt != pixels:
        raise invalid(path, "pixel_format", f"its pixels are {context.pix_fmt} instead of {pixels}")
    tags = {name.lower(): value for name, value in video.metadata.items()}
    if (tags.get(ALPHA_MODE) == "1") != codec.has_alpha_beside(settings):
        raise invalid(path, "alpha", "it does not say whether it has alpha")
    for tag, value in tags_of(settings.pixel_format, settings.transfer).items():
        if int(getattr(context, tag)) != value:
            raise invalid(path, "colour", f"its {tag} is {int(getattr(context, tag))} instead of {value}")


def _check_light(path: Path, planned: Planned) -> None:
    if planned.settings.transfer == "bt709":
        return
    with av.open(str(path)) as container:
        fault = light_fault(next(container.decode(video=0)))
    if fault:
        raise invalid(path, "light", fault)


def _check_rates(
    path: Path,
    container: InputContainer,
    video: VideoStream,
    codec: Codec,
    planned: Planned,
    sound: SoundFile | None,
) -> None:
    frames, fps = planned.frames, planned.fps
    # FFmpeg estimates the rates of a file with another clock from its first frames. All times are compared in any case.
    for name in () if codec.clock else ("average_rate", "base_rate", "guessed_rate"):
        if getattr(video, name) != fps:
            raise invalid(path, "rate", f"its {name} is {getattr(video, name)} instead of {fps}")
    if video.start_time != 0 or container.start_time != 0:
        raise invalid(path, "start", f"it starts at {video.start_time} ticks instead of 0")
    lengths = [Fraction(container.duration or 0, av.time_base)]
    more = DURATION_TOLERANCE
    if video.duration is not None:
        lengths.append(Fraction(video.duration) * (video.time_base or 0))
    elif sound is not None:  # a container without lengths of tracks counts what players skip at the end of the sound
        more += SKIPPED
    for seconds in lengths:
        if not -DURATION_TOLERANCE <= seconds - frames / fps <= more:
            raise invalid(path, "duration", f"it lasts {float(seconds):.6f} s instead of {float(frames / fps):.6f} s")


def _scan(container: InputContainer, video: VideoStream, going: Going) -> _Scan:
    scan, digest = _Scan([], []), blake3()
    for packet in container.demux(video):
        going()
        if packet.size:
            add_packet(digest, packet)
            scan.times.append(Fraction(packet.pts or 0) * packet.time_base)
            if packet.is_keyframe:
                scan.keys.append(scan.times[-1])
    scan.digest = digest.hexdigest()
    return scan


def _check_frames(path: Path, scan: _Scan, planned: Planned, keyframes: Sequence[int]) -> None:
    if len(scan.times) != planned.frames:
        raise invalid(path, "frames", f"it has {len(scan.times)} frames instead of {planned.frames}")
    timescale = planned.settings.timescale
    times = [Fraction(frame_tick(number, planned.fps, timescale), timescale) for number in range(planned.frames)]
    for number, (time, right) in enumerate(zip(sorted(scan.times), times, strict=True)):
        if time != right:
            raise invalid(path, "timestamps", f"frame {number} is shown at {time} s instead of {right} s")
    numbers = {time: number for number, time in enumerate(times)}
    found = [numbers[time] for time in sorted(scan.keys)]
    if found != sorted(keyframes):
        names = ", ".join(map(str, found))
        raise invalid(path, "keyframes", f"its keyframes are {names} instead of {sorted(keyframes)}")


def _check_sound(path: Path, sound: SoundFile | None) -> None:
    """Check the sound as a player hears it: its start, its length, and its packets."""
    with av.open(str(path)) as container:
        streams = container.streams.audio
        if len(streams) != (sound is not None) or len(container.streams) != 1 + len(streams):
            raise invalid(path, "streams", f"it has {len(streams)} sound tracks and {len(container.streams)} in all")
        if sound is None:
            return
        stream = streams[0]
        context = stream.codec_context
        layout = (context.codec.canonical_name, context.sample_rate, context.layout.name)
        if layout != (sound.codec, SAMPLE_RATE, "stereo"):
            raise invalid(path, "sound_format", f"its sound is {layout}")
        clock = stream.time_base or Fraction(0)
        begin = round((stream.start_time or 0) * clock * SAMPLE_RATE)
        # Some containers have no lengths of tracks.
        length = sound.samples if stream.duration is None else round(stream.duration * clock * SAMPLE_RATE)
        if (begin, length) != (0, sound.samples):
            raise invalid(path, "sound_length", f"its sound is {length} samples from {begin} on, not {sound.samples}")
        digest, position = blake3(), -sound.priming
        sizes = _packet_lengths(sound)
        for packet in container.demux(stream):
            if packet.size:
                # In a container with a coarse clock, at the nearest tick.
                if packet.pts is None or abs(packet.pts * clock - Fraction(position, SAMPLE_RATE)) >= clock:
                    raise invalid(path, "sound_times", f"a packet is not at its sample {position}")
                digest.update(memoryview(packet))
                length, own = next(sizes, 0), round((packet.duration or 0) * clock * SAMPLE_RATE)
                position += length if clock > Fraction(1, SAMPLE_RATE) else own
        if digest.hexdigest() != sound.digest or position < sound.samples:
            raise invalid(path, "sound_packets", "its sound differs from the encoded sound")


def _packet_lengths(sound: SoundFile) -> Iterator[int]:
    """Yield the samples of each packet of an encoded sound."""
    with av.open(str(sound.path)) as container:
        stream = container.streams.audio[0]
        for packet in container.demux(stream):
            if packet.size:
                yield round((packet.duration or 0) * packet.time_base * SAMPLE_RATE)


def require_index_first(path: Path) -> None:
    """Check the top-level boxes (ISO/IEC 14496-12, 4.2) of an MP4 or MOV file: the index must come before the data.

    Raises
    ------
    OutputInvalidError
    """
    order: list[bytes] = []
    try:
        with path.open("rb") as file:
            end = file.seek(0, 2)
            position = 0
            while position + 8 <= end:
                file.seek(position)
                size, kind = struct.unpack(">I4s", file.read(8))
                if size == 1:
                    size = int.from_bytes(file.read(8), "big")
                order.append(kind)
                # A size of 0 means up to the end; a size below a header's length would loop without end.
                position = end if size < 8 else position + size
    except OSError as error:
        raise invalid(path, "file", f"it cannot be read: {error}") from error
    if b"moov" not in order or b"mdat" not in order:
        raise invalid(path, "boxes", "it is not a complete MP4 file")
    if position != end:
        raise invalid(path, "boxes", f"it ends {position - end} bytes early")
    if order.index(b"moov") > order.index(b"mdat"):
        raise invalid(path, "boxes", "its index (moov) comes after its data (mdat)")
