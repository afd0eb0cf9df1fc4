"""HLS: a playlist, and beside it a folder of segments that players fetch one by one (RFC 8216).

FFmpeg's muxer cuts a segment at every key frame, so at every border of chunks, and copies the packets. The sound is a
separate rendition. A segment has no list of edits, so no player would skip the priming of the sound's encoder: the
pictures are moved by its length instead.

The folder is named after the content. So while an output is replaced, players still find the segments of the playlist
that they have, and the new playlist is published when all its segments are there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Self

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from blake3 import blake3

from hfdask.core.model import EncoderSettings
from hfdask.core.sound import SAMPLE_RATE
from hfdask.formats.codec import Codec
from hfdask.formats.format import Format, Planned, require_valid
from hfdask.formats.h264 import H264
from hfdask.formats.join import ChunkSource, Going, Join, JoinReport, add_packet, frame_tick, proceed
from hfdask.media.picture import DIGEST_BYTES
from hfdask.media.sound_file import AAC, SoundFile

SECONDS = 6
"""Length of a segment, unless the options give the length of a chunk (RFC 8216, Apple's recommendation)."""

_VIDEO, _SOUND = "video", "sound"

_PICTURES = f"{_VIDEO}.m3u8"
_DURATION = re.compile(r"#EXTINF:([0-9.]+),\n(\S+)\n")


class _Segments(Join):
    """Write segments to a scratch folder, and at the end the playlist that names them.

    Parameters
    ----------
    output, fps, codec, settings
        As in `hfdask.formats.join.Join`.
    metadata : mapping of str to str
        Comments of the playlist.
    sound : callable, optional
        As in `hfdask.formats.join.FileJoin`.
    stem : str
        The first part of the folder's name.
    """

    def __init__(
        self,
        output: Path,
        fps: Fraction,
        codec: Codec,
        settings: EncoderSettings,
        metadata: Mapping[str, str],
        sound: Callable[[], SoundFile] | None,
        stem: str,
    ) -> None:
        from hfdask.core.scratch import (
            scratch_subfolder,
        )  # its packages are large, and the help of a command names formats

        super().__init__(output, fps, codec, settings)
        self._metadata, self._stem, self._get_sound = metadata, stem, sound
        self._held = ExitStack()
        self._folder = self._held.enter_context(scratch_subfolder("hls"))
        self._sound: SoundFile | None = None
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._about = ("", "")

    def _write(self, packets: Sequence[Packet[VideoStream]], chunk: ChunkSource) -> None:
        if self._stream is None:
            self._stream = self._open(chunk)
        assert self._container is not None
        lead = lead_of(self._sound, self.settings)
        for number, packet in enumerate(packets, start=chunk.start):
            self._container.mux(self.timed(packet, self._stream, number, lead))

    def _open(self, chunk: ChunkSource) -> VideoStream:
        self._sound = self._get_sound() if self._get_sound is not None else None
        self._container = self._playlist(_VIDEO, 0.001)
        with av.open(str(chunk.path)) as source:
            video = source.streams.video[0]
            stream = self._container.add_stream_from_template(video, opaque=True)
            stream.time_base = Fraction(1, self.settings.timescale)
            context = video.codec_context
            profile = bytes(context.extradata or b"")[1:4].hex()  # ISO/IEC 14496-15, 5.3.3.1.2; RFC 6381
            self._about = f"{context.width}x{context.height}", f"avc1.{profile}"
        return stream

    def _playlist(self, name: str, seconds: float) -> OutputContainer:
        """Open a playlist whose segments end at the first key frame after some seconds."""
        options = {
            "hls_segment_type": "fmp4",
            "hls_playlist_type": "vod",
            "hls_list_size": "0",
            "hls_flags": "independent_segments",
            "hls_time": str(seconds),
            "hls_fmp4_init_filename": f"{name}.mp4",
            "hls_segment_filename": str(self._folder / f"{name}_%05d.m4s"),
            # Without it, the first segment would begin at 0, and an edit list would move it, by whole milliseconds.
            "hls_segment_options": "movflags=+frag_discont",
            "avoid_negative_ts": "disabled",
            "fflags": "+bitexact",
        }
        return av.open(str(self._folder / f"{name}.m3u8"), "w", format="hls", options=options)

    def _close(self) -> int:
        assert self._container is not None  # a video has a frame
        self._container.close()
        if self._sound is not None:
            self._copy_sound(self._sound)
        files = sorted(self._folder.iterdir())
        folder = f"{self._stem}.{_digest_of(files)}"
        self.beside = {f"{folder}/{file.name}": file for file in files}
        self.output.write_text(self._main(folder), "utf-8")
        return sum(file.stat().st_size for file in (self.output, *files))

    def _copy_sound(self, sound: SoundFile) -> None:
        with av.open(str(sound.path)) as source, self._playlist(_SOUND, SECONDS) as container:
            heard = source.streams.audio[0]
            stream = container.add_stream_from_template(heard)
            stream.time_base = Fraction(1, SAMPLE_RATE)
            for packet in source.demux(heard):
                if packet.size:
                    packet.stream = stream
                    packet.pts = packet.dts = (packet.pts or 0) + sound.priming
                    container.mux(packet)

    def _main(self, folder: str) -> str:
        """Return the playlist that names the others."""
        size, codecs = self._about
        names = [_VIDEO] + ([_SOUND] if self._sound else [])
        rates = [_bits(self._folder / f"{name}.m3u8") for name in names]
        peak, mean = (sum(each) for each in zip(*rates, strict=True))
        group = f',AUDIO="{_SOUND}"' if self._sound else ""
        sound = (
            f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{_SOUND}",NAME="{_SOUND}",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",'
            f'URI="{folder}/{_SOUND}.m3u8"\n'
        )
        return (
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n"
            + "".join(f"# {name}: {text}\n" for name, text in self._metadata.items())
            + (sound if self._sound else "")
            + f"#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={mean},RESOLUTION={size},"
            f'FRAME-RATE={float(self.fps):.3f},CODECS="{codecs}{",mp4a.40.2" if self._sound else ""}"{group}\n'
            f"{folder}/{_VIDEO}.m3u8\n"
        )

    def _abandon(self) -> None:
        if self._container is not None:
            with suppress(av.FFmpegError, OSError):
                self._container.close()
        self.output.unlink(missing_ok=True)

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._held.close()


def lead_of(sound: SoundFile | None, settings: EncoderSettings) -> int:
    """Return the ticks by which pictures are moved, so that they are seen when the sound after its priming is heard."""
    return 0 if sound is None else round(Fraction(sound.priming * settings.timescale, SAMPLE_RATE))


def _plain(stem: str) -> str:
    """Return a name without its ending as a part of a URL that needs no quotes: FFmpeg does not decode them in files.

    A name that changes gets a part of its digest, so that no two names become one.
    """
    plain = re.sub(r"[^A-Za-z0-9._~-]", "_", stem)
    return plain if plain == stem else f"{plain}-{blake3(stem.encode()).hexdigest(length=4)}"


def _digest_of(files: Sequence[Path]) -> str:
    """Return 32 hexadecimal digits for names and contents: the last part of the name of a folder with these files."""
    digest = blake3()
    for file in files:
        digest.update(f"{file.name}\n{file.stat().st_size}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest(length=DIGEST_BYTES)


def _segments(playlist: Path) -> list[tuple[Fraction, str]]:
    """Return seconds and name of each segment."""
    return [(Fraction(seconds), name) for seconds, name in _DURATION.findall(playlist.read_text("utf-8"))]


def _bits(playlist: Path) -> tuple[int, int]:
    """Return bits a second of the largest segment, and of all together."""
    found = [(seconds, 8 * (playlist.parent / name).stat().st_size) for seconds, name in _segments(playlist)]
    whole = sum(seconds for seconds, _ in found), sum(bits for _, bits in found)
    return max(round(bits / seconds) for seconds, bits in found), round(whole[1] / whole[0])


@dataclass(frozen=True, kw_only=True)
class Hls(Format):
    """A playlist and its segments, in a folder whose name begins with ``stem``."""

    stem: str = "video"

    def named(self, name: str) -> Self:
        return replace(self, stem=_plain(PurePosixPath(name).stem))

    def beside_of(self, content: bytes) -> str | None:
        last = content.decode("utf-8", "replace").rstrip().rpartition("\n")[2]
        folder, _, name = last.partition("/")
        ours = re.fullmatch(re.escape(self.stem) + r"\.[0-9a-f]{32}", folder)
        return folder if ours and name == _PICTURES else None

    def renamed(self, content: bytes, folder: str) -> tuple[bytes, str]:
        own = f"{self.stem}.{folder.rpartition('.')[2]}"
        return content.replace(folder.encode(), own.encode()), own

    def join(
        self,
        output: Path,
        fps: Fraction,
        settings: EncoderSettings,
        metadata: Mapping[str, str],
        sound: Callable[[], SoundFile] | None = None,
    ) -> Join:
        return _Segments(output, fps, self.codec_of(settings), settings, metadata, sound, self.stem)

    def verify(
        self, path: Path, planned: Planned, joined: JoinReport, sound: SoundFile | None, going: Going = proceed
    ) -> None:
        _Check(path, joined, going).all(planned, sound)


class _Check:
    """Check a finished output. Its segments are read as one file, as a player appends them."""

    def __init__(self, path: Path, joined: JoinReport, going: Going) -> None:
        self._path, self._joined, self._going = path, joined, going
        self._require = partial(require_valid, path=path)
        self._files = {PurePosixPath(name).name: file for name, file in joined.beside.items()}

    def all(self, planned: Planned, sound: SoundFile | None) -> None:
        names = {name for name in self._joined.beside if name.endswith(".m3u8")}
        main = self._path.read_text("utf-8")
        named = set(re.findall(r'^([^#\s]\S*)$|URI="([^"]+)"', main, re.MULTILINE))
        self._require({one or other for one, other in named} == names, "playlists", f"it names {sorted(named)}")
        self._require((f"{_SOUND}.m3u8" in self._files) == (sound is not None), "streams", "its sound is missing")
        settings = planned.settings
        lead = lead_of(sound, settings)
        frames = [frame_tick(number, planned.fps, settings.timescale) + lead for number in range(planned.frames)]
        digest, times, keys = self._read(_VIDEO, Fraction(1, settings.timescale))
        self._require(digest == self._joined.digest, "packets", "its packets differ from the chunks' packets")
        self._require(times == frames, "timestamps", "a frame is not at its time")
        self._require(keys == [frames[start] for start in planned.starts], "keyframes", f"they are at {keys}")
        self._require_durations(_VIDEO, planned.frames / planned.fps, len(planned.starts))
        if sound is not None:
            heard, times, _ = self._read(_SOUND, Fraction(1, SAMPLE_RATE))
            self._require(heard == sound.digest, "sound_packets", "its sound differs from the encoded sound")
            self._require(
                times == list(range(0, 1024 * len(times), 1024)), "sound_times", "a packet is not at its sample"
            )

    def _read(self, name: str, clock: Fraction) -> tuple[str, list[int], list[int]]:
        """Return the digest of all packets of a playlist, their times in ticks, and the times of key frames."""
        parts = [f"{name}.mp4", *(file for _, file in _segments(self._files[f"{name}.m3u8"]))]
        self._require(all(part in self._files for part in parts), "segments", f"the playlist {name} names others")
        digest, times, keys = blake3(), [], []
        whole = self._files[f"{name}.m3u8"].with_suffix(".all")
        try:
            with whole.open("wb") as file:
                for part in parts:
                    file.write(self._files[part].read_bytes())
            with av.open(str(whole), format="mov") as container:
                for packet in container.demux(container.streams[0]):
                    self._going()
                    if packet.size:
                        add_packet(digest, packet)
                        times.append(round((packet.pts or 0) * packet.time_base / clock))
                        keys += [times[-1]] if packet.is_keyframe else []
        except av.FFmpegError as error:
            self._require(False, "file", f"its segments cannot be read: {error}")
        finally:
            whole.unlink(missing_ok=True)
        return digest.hexdigest(), times, keys

    def _require_durations(self, name: str, seconds: Fraction, count: int) -> None:
        found = [duration for duration, _ in _segments(self._files[f"{name}.m3u8"])]
        self._require(len(found) == count, "segments", f"it has {len(found)} segments instead of {count}")
        late = abs(sum(found) - seconds)
        self._require(
            late < Fraction(1, 1000),
            "duration",
            f"it lasts {float(sum(found)):.6f} s instead of {float(seconds):.6f} s",
        )


HLS = Hls(name="hls", suffixes=(".m3u8",), codecs=(H264,), sound=AAC, segment=SECONDS, names_files=True)
