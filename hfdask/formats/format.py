"""The contract of a format: what the file or the folder is that people get."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Self

from msgspec import Struct

from hfdask.core.model import EncoderSettings, VideoTransfer
from hfdask.errors import FormatNotSupportedError, InvalidConfigError, OutputInvalidError
from hfdask.formats.codec import Codec
from hfdask.formats.join import Going, Join, JoinReport, proceed
from hfdask.media.sound_file import Encoding, SoundFile


class Planned(Struct, frozen=True, kw_only=True):
    """The facts of a plan's video, to verify the finished one.

    Attributes
    ----------
    frames : int
        Number of frames.
    fps : Fraction
        Frames a second.
    width, height : int
        Size of the pictures in pixels.
    starts : tuple of int
        First frames of the chunks.
    settings : EncoderSettings
        The settings of the chunks.
    """

    frames: int
    fps: Fraction
    width: int
    height: int
    starts: tuple[int, ...]
    settings: EncoderSettings


def invalid(path: Path, check: str, what: str, *, kind: str = "video") -> OutputInvalidError:
    """Return the error of a finished output; ``what`` says what is wrong, and ``details["check"]`` is ``check``."""
    return OutputInvalidError(f"{path.name} is not the planned {kind}: {what}", check=check, path=str(path))


def require_valid(condition: bool, check: str, what: str, *, path: Path, kind: str = "video") -> None:
    """Raise the error of `invalid` if a condition is false."""
    if not condition:
        raise invalid(path, check, what, kind=kind)


@dataclass(frozen=True, kw_only=True)
class Format(ABC):
    """A format of outputs.

    Attributes
    ----------
    name : str
        The value of the option ``format``.
    suffixes : tuple of str
        Endings of its outputs, in lower case with a dot.
    codecs : tuple of Codec
        Its codecs; the first one is the default.
    sound : Encoding or None
        How its sound is encoded. None if it has no sound.
    other_sounds : tuple of Encoding
        Other ways in which its sound can be encoded.
    max_frames : int, optional
        Frames of its longest output.
    max_fps : int, optional
        Its highest rate in frames a second. Videos with more are planned with this rate.
    segment : int, optional
        Length of a chunk in seconds, if the options do not give one and chunks can be seen in the output.
    in_folders : bool
        True if an output whose name has no ending is a folder of files.
    names_files : bool
        True if an output names other files, which are in a folder beside it.
    """

    name: str
    suffixes: tuple[str, ...]
    codecs: tuple[Codec, ...]
    sound: Encoding | None
    other_sounds: tuple[Encoding, ...] = ()
    max_frames: int | None = None
    max_fps: int | None = None
    segment: int | None = None
    in_folders: bool = False
    names_files: bool = False

    @property
    def loops(self) -> bool:
        """True if its outputs can say how often they are shown."""
        return False

    def looping(self, loop: int) -> Self:
        """Return the format of outputs that are shown ``loop`` times, 0 without end."""
        return self

    def named(self, name: str) -> Self:
        """Return the format of an output of this file name."""
        return self

    def beside_of(self, content: bytes) -> str | None:
        """Return the folder beside a finished output in which its other files are, if its content names one."""
        return None

    def renamed(self, content: bytes, folder: str) -> tuple[bytes, str]:
        """Return the content of an output that names a folder, and this folder, as an output of this name has them."""
        return content, folder

    @abstractmethod
    def join(
        self,
        output: Path,
        fps: Fraction,
        settings: EncoderSettings,
        metadata: Mapping[str, str],
        sound: Callable[[], SoundFile] | None = None,
    ) -> Join:
        """Return the writer of an output, to which chunks are appended; see `hfdask.formats.join.Join`."""

    @abstractmethod
    def verify(
        self, path: Path, planned: Planned, joined: JoinReport, sound: SoundFile | None, going: Going = proceed
    ) -> None:
        """Check a finished output against its plan, before it is published.

        Parameters
        ----------
        path : Path
            The output.
        planned : Planned
            What the plan says.
        joined : JoinReport
            What was written.
        sound : SoundFile, optional
            The sound that was copied. Without it, the output must have no sound.
        going : callable
            Called at each frame; what it raises ends the work.

        Raises
        ------
        OutputInvalidError
            If something differs. The message says what, and ``details["check"]`` names it.
        """

    def is_folder(self, name: str) -> bool:
        """Return true if an output of this name is a folder."""
        return self.in_folders and not PurePosixPath(name).suffix

    def owns(self, name: str) -> bool:
        """Return true if an output that is a folder may have a file of this name."""
        return False

    def require_video(self, frames: int, width: float, height: float, codec: str | None) -> None:
        """Check the length and the size of a video in pixels, as soon as they are known, and that this FFmpeg has the encoder and a decoder.

        Raises
        ------
        InvalidConfigError
        """
        if self.max_frames is not None and frames > self.max_frames:
            raise InvalidConfigError(
                f"{frames} frames are more than the {self.max_frames} of the format {self.name}; choose another format, or fewer "
                "frames a second",
                field="format",
            )
        chosen = self.codec_named(codec)
        if not chosen.available:
            raise InvalidConfigError(
                f"this FFmpeg has no encoder {chosen.encoder}, or no decoder for it; install PyAV from PyPI (pip install av), or choose another codec",
                field="codec",
            )
        if min(width, height) < chosen.min_side:
            raise InvalidConfigError(
                f"{width:g}x{height:g} pixels are too few for {chosen.name}, which takes sides from {chosen.min_side} pixels on; "
                "choose another codec",
                field="codec",
            )

    def require_name(self, name: str) -> None:
        """Check the name of an output.

        Raises
        ------
        InvalidConfigError
        """
        if PurePosixPath(name).suffix.lower() not in self.suffixes and not self.is_folder(name):
            endings = " or ".join(self.suffixes) + (", or have no ending for a folder," if self.in_folders else "")
            raise InvalidConfigError(
                f"the output's name must end in {endings} for the format {self.name}, not {name!r}", field="output"
            )

    def settings(
        self,
        quality: str,
        crf: int | None,
        bitrate: str | None,
        fps: Fraction,
        *,
        codec: str | None = None,
        alpha: bool | None = None,
        transfer: VideoTransfer = "bt709",
    ) -> EncoderSettings:
        """Return complete settings of a video's encoder; see `hfdask.formats.table.encoder_settings`."""
        chosen = self.codec_named(codec)
        with_alpha = chosen.transparent is not None if alpha is None else alpha
        return chosen.settings(quality, crf, bitrate, fps, alpha=with_alpha, transfer=transfer)

    def hdr_codec(self, name: str | None, *, alpha: bool | None) -> str:
        """Return the name of the codec of HDR videos: this name, or the first with HDR.

        Raises
        ------
        FormatNotSupportedError
            If they cannot have this format, this codec or this alpha; ``details["field"]`` names the option.
        """
        able = [codec.name for codec in self.codecs if codec.hdr is not None]
        for field, wrong in (("format", not able), ("codec", name not in (None, *able)), ("alpha", alpha is True)):
            if wrong:
                raise FormatNotSupportedError(
                    f"HDR videos are MP4 files in H.265 without alpha: leave out hdr, or change {field}", field=field
                )
        return able[0] if name is None else name

    def codec_named(self, name: str | None) -> Codec:
        """Return a codec of this format by its name, or its default.

        Raises
        ------
        InvalidConfigError
        """
        found = {codec.name: codec for codec in self.codecs}
        if name is None:
            return self.codecs[0]
        if name not in found:
            raise InvalidConfigError(
                f"the codecs of {self.name} are {', '.join(found)}, not {name!r}; choose one, or another format",
                field="codec",
            )
        return found[name]

    def sound_named(self, name: str | None) -> Encoding | None:
        """Return an encoding of the sound by its name, or the default.

        Raises
        ------
        InvalidConfigError
        """
        if name is None:
            return self.sound
        found = {each.name: each for each in (self.sound, *self.other_sounds) if each is not None}
        if name not in found:
            raise InvalidConfigError(
                f"the codecs of sound in {self.name} are {', '.join(found) or 'none'}, not {name!r}; choose one, or another format",
                field="sound_codec",
            )
        return found[name]

    def codec_of(self, settings: EncoderSettings) -> Codec:
        """Return the codec of some settings of this format."""
        return next(codec for codec in self.codecs if codec.encoder == settings.codec)
