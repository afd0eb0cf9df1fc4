"""A sequence of PNG files in a folder or a ZIP file, with the sound beside them: every pixel as it was captured."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

from av.packet import Packet
from av.video.stream import VideoStream
from blake3 import blake3

from hfdask.core.model import EncoderSettings
from hfdask.errors import OutputInvalidError
from hfdask.formats.codec import Codec
from hfdask.formats.format import Format, Planned, require_valid
from hfdask.formats.join import ChunkSource, Going, Join, JoinReport, proceed
from hfdask.formats.png import PNG
from hfdask.media.sequence import frame_name, is_frame, open_sequence
from hfdask.media.sound_file import WAV, SoundFile

SOUND = "sound.wav"


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)  # with the earliest possible date, so that the bytes are the same every time
    entry.external_attr = 0o644 << 16
    return entry


class _Archive:
    """A ZIP file that is written."""

    def __init__(self, path: Path) -> None:
        self._file = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED)

    def add(self, name: str, content: bytes) -> None:
        self._file.writestr(_entry(name), content)

    def close(self) -> None:
        self._file.close()


class _Folder:
    """A folder that is written. It is there already."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, name: str, content: bytes) -> None:
        (self._path / name).write_bytes(content)

    def close(self) -> None:
        """Every file is complete already."""


class _Pictures(Join):
    """Write the packets of chunks, each of which is a PNG file, to a ZIP file, or to the output if that is a folder."""

    def __init__(
        self,
        output: Path,
        fps: Fraction,
        codec: Codec,
        settings: EncoderSettings,
        sound: Callable[[], SoundFile] | None,
    ) -> None:
        super().__init__(output, fps, codec, settings)
        self._sound = sound
        with self.writing():
            self._target = _Folder(output) if output.is_dir() else _Archive(output)
        self._size = 0

    def _write(self, packets: Sequence[Packet[VideoStream]], chunk: ChunkSource) -> None:
        for number, packet in enumerate(packets, start=chunk.start):
            self.going()
            self._target.add(frame_name(number), bytes(packet))
            self._size += packet.size

    def _close(self) -> int:
        if self._sound is not None:
            sound = self._sound().path.read_bytes()
            self._target.add(SOUND, sound)
            self._size += len(sound)
        self._target.close()
        return self._size if self.output.is_dir() else self.output.stat().st_size

    def _abandon(self) -> None:
        with suppress(OSError):
            self._target.close()
        if not self.output.is_dir():  # a folder is removed by its owner
            self.output.unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class PngSequence(Format):
    """Files ``frame_000001.png`` and so on, and ``sound.wav`` if there is sound."""

    def owns(self, name: str) -> bool:
        return name == SOUND or is_frame(name)

    def join(
        self,
        output: Path,
        fps: Fraction,
        settings: EncoderSettings,
        metadata: Mapping[str, str],
        sound: Callable[[], SoundFile] | None = None,
    ) -> Join:
        return _Pictures(output, fps, self.codec_of(settings), settings, sound)

    def verify(
        self, path: Path, planned: Planned, joined: JoinReport, sound: SoundFile | None, going: Going = proceed
    ) -> None:
        require = partial(require_valid, path=path, kind="sequence")
        names = [frame_name(number) for number in range(planned.frames)]
        everything = [*names, *([SOUND] if sound else [])]
        digest = blake3()
        try:
            with open_sequence(path) as (found, read):
                require(found == everything, "frames", f"it has {len(found)} files")
                for name in names:
                    going()
                    digest.update(read(name))
                heard = read(SOUND) if sound else b""
        except (OSError, zipfile.BadZipFile) as error:
            raise OutputInvalidError(f"{path.name} cannot be read: {error}", check="file", path=str(path)) from error
        require(digest.hexdigest() == joined.digest, "packets", "its pictures differ from the chunks' pictures")
        require(
            not sound or heard == sound.path.read_bytes(), "sound_packets", "its sound differs from the encoded sound"
        )


PNG_SEQUENCE = PngSequence(
    name="png", suffixes=(".zip",), codecs=(PNG,), sound=WAV, max_frames=999_999, in_folders=True
)
