"""Codecs: how the pictures of a chunk are encoded, and which settings of their encoders exist."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from typing import Any, Protocol

import av
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from msgspec import Struct, field

from hfdask.core.model import EncoderSettings, VideoTransfer
from hfdask.errors import InvalidConfigError
from hfdask.media.transfers import HdrTransfer

MIN_TIMESCALE = 90_000

_BITRATE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([kM]?)")
_UNITS = {"": 1, "k": 1_000, "M": 1_000_000}


class Repeater(Protocol):
    """Make packets that show the picture before once more, without an encoder."""

    def repeated(self, number: int, before: bytes) -> bytes:
        """Return the ``number``-th packet of a chunk (from 0), equal to the one before when it is decoded."""

    def numbered(self, packet: Packet[Any], number: int) -> bytes:
        """Return the encoder's packet as the ``number``-th of a chunk: the encoder does not count repeated ones."""


class Copies:
    """Repeat a picture of a codec whose pictures stand for themselves: its packet is copied."""

    def repeated(self, number: int, before: bytes) -> bytes:
        return before

    def numbered(self, packet: Packet[Any], number: int) -> bytes:
        return bytes(packet)


class HdrWay(Struct, frozen=True, kw_only=True):
    """How a codec encodes HDR.

    Attributes
    ----------
    pixel_format : str
        Pixel format.
    options : callable
        Returns the encoder's options for a speed and a transfer function.
    speeds : mapping of str to str
        Speeds by quality, if they differ from the speeds in SDR.
    """

    pixel_format: str
    options: Callable[[str, HdrTransfer], dict[str, str]]
    speeds: Mapping[str, str] = field(default_factory=dict)


class Codec(Struct, frozen=True, kw_only=True):
    """A codec, its encoder, and the file that a chunk of it is in.

    Attributes
    ----------
    name : str
        The value of the option ``codec``.
    encoder : str
        FFmpeg's encoder.
    container : str
        FFmpeg's name of the chunk's container.
    opaque : str
        Pixel format of pictures without alpha.
    transparent : str, optional
        Pixel format of pictures with alpha. None if the codec has no alpha.
    qualities : mapping of str to (str, int)
        Speed of the encoder and constant rate factor by quality. The factor is 0 if the codec has none.
    options : callable
        Returns the encoder's options for a speed. Everything that can change a byte is in them.
    hdr : HdrWay, optional
        How HDR is encoded. None if the codec has no HDR here.
    max_crf : int, optional
        Largest constant rate factor. None if the codec has neither rate factors nor bit rates.
    with_crf : mapping of str to str
        Options that the encoder needs besides a rate factor.
    tag : str
        The codec's name in chunks and outputs of MP4 or MOV; empty for FFmpeg's choice.
    clock : int, optional
        Ticks a second, if the container has the same for all videos. Frames begin at the nearest tick then.
    intra : bool
        True if every picture stands for itself.
    repeater : callable, optional
        Makes the `Repeater` of an open encoder. Without it, a repeated picture is encoded once more.
    decoder : str
        FFmpeg's decoder; empty if it has the codec's own name.
    is_key : callable, optional
        Returns true for the bytes of a key frame. None if the decoder reports key frames.
    decoded : mapping of str to str
        Pixel formats that decoders give, if they differ from the encoder's.
    threads : int
        Threads of the encoder: a part of the settings, because its output may depend on it.
    min_side : int
        Pixels of the least side of a picture.
    opening : callable
        Returns a context in which the encoder is opened.
    """

    name: str
    encoder: str
    container: str
    opaque: str
    transparent: str | None = None
    qualities: Mapping[str, tuple[str, int]]
    options: Callable[[str], dict[str, str]]
    hdr: HdrWay | None = None
    max_crf: int | None = None
    with_crf: Mapping[str, str] = field(default_factory=dict)
    tag: str = ""
    clock: int | None = None
    intra: bool = False
    repeater: Callable[[VideoCodecContext], Repeater] | None = None
    decoder: str = ""
    is_key: Callable[[bytes], bool] | None = None
    decoded: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1
    min_side: int = 1
    opening: Callable[[], AbstractContextManager[None]] = nullcontext

    def settings(
        self,
        quality: str,
        crf: int | None,
        bitrate: str | None,
        fps: Fraction,
        *,
        alpha: bool = False,
        transfer: VideoTransfer = "bt709",
    ) -> EncoderSettings:
        """Return complete settings: a worker adds only the length of its chunk.

        Parameters
        ----------
        quality : str
            Names a speed of the encoder, and a constant rate factor.
        crf : int, optional
            Constant rate factor, instead of the quality's.
        bitrate : str, optional
            Average bits a second, such as ``"8M"`` or ``"500k"``, instead of a rate factor.
        fps : Fraction
            Frames a second; decides the time base.
        alpha : bool
            True to keep the pictures' alpha.
        transfer : {"bt709", "pq", "hlg"}
            Transfer function of the pictures; ``bt709`` for SDR.

        Raises
        ------
        InvalidConfigError
            For values out of range, both ``crf`` and ``bitrate``, or an alpha that the codec does not have;
            ``details["field"]`` names the option.
        """
        if quality not in self.qualities:
            names = ", ".join(self.qualities)
            raise InvalidConfigError(f"quality must be one of {names}, not {quality!r}", field="quality")
        pixels = self.transparent if alpha else self.opaque
        if pixels is None:
            raise InvalidConfigError(f"{self.name} has no alpha; leave out alpha, or use another format", field="alpha")
        speed, factor = self.qualities[quality]
        options = self.options(speed)
        if transfer != "bt709":
            if self.hdr is None:
                raise InvalidConfigError(f"{self.name} has no HDR; leave out hdr, or use h265", field="hdr")
            pixels, options = self.hdr.pixel_format, self.hdr.options(self.hdr.speeds.get(quality, speed), transfer)
        return EncoderSettings(
            codec=self.encoder,
            pixel_format=pixels,
            options={**options, **self._rate(crf, bitrate, factor)},
            threads=self.threads,
            timescale=self.clock or timescale(fps),
            container=self.container,
            transfer=transfer,
        )

    def knows(self, settings: EncoderSettings, fps: Fraction) -> bool:
        """Return true if `settings` could have made these settings.

        An untrusted plan must not use other options of an encoder, some of which name files to write.
        """
        crf, bits = settings.options.get("crf"), settings.options.get("b")
        try:
            factor = None if crf is None else int(crf)
            rate = bits if crf is None else None
            alpha = settings.pixel_format == self.transparent
            possible = (
                self.settings(each, factor, rate, fps, alpha=alpha, transfer=settings.transfer)
                for each in self.qualities
            )
            return settings in possible
        except (InvalidConfigError, ValueError):
            return False

    def has_alpha_beside(self, settings: EncoderSettings) -> bool:
        """Return true if the alpha is in separate packets beside the pictures."""
        return settings.alpha and self.container == "webm"

    def decoded_format(self, settings: EncoderSettings) -> str:
        """Return the pixel format of decoded pictures."""
        return self.decoded.get(settings.pixel_format, settings.pixel_format)

    def keyframes(self, starts: Sequence[int], frames: int) -> tuple[int, ...]:
        """Return the numbers of the key frames of a video with this number of frames, whose chunks begin at ``starts``."""
        return tuple(range(frames)) if self.intra else tuple(starts)

    def fault_of_keyframes(self, numbers: Sequence[int], frames: int) -> str:
        """Say what is wrong with the numbers of the key frames in a chunk; empty if nothing is."""
        if (*numbers,) == self.keyframes([0], frames):
            return ""
        if self.intra:
            return f"has {len(numbers)} keyframes instead of {frames}"
        return f"has keyframes at {[*numbers]} instead of at its start alone"

    @property
    def decoder_name(self) -> str:
        """FFmpeg's name of the decoder."""
        return self.decoder or av.Codec(self.encoder, "w").canonical_name

    @property
    def available(self) -> bool:
        """True if this FFmpeg has the encoder and a decoder."""
        try:
            av.Codec(self.encoder, "w")
            av.Codec(self.decoder_name, "r")
        except av.codec.codec.UnknownCodecError:
            return False
        return True

    def _rate(self, crf: int | None, bitrate: str | None, factor: int) -> dict[str, str]:
        if self.max_crf is None:
            for name, value in (("crf", crf), ("bitrate", bitrate)):
                if value is not None:
                    raise InvalidConfigError(f"{self.name} has no {name}; leave it out", field=name)
            return {}
        if bitrate is None:
            return {"crf": str(self._rate_factor(factor if crf is None else crf)), **self.with_crf}
        if crf is not None:
            raise InvalidConfigError("crf and bitrate exclude each other; give one", field="bitrate")
        return {"b": str(_bits(bitrate))}

    def _rate_factor(self, crf: int) -> int:
        if not isinstance(crf, int) or isinstance(crf, bool) or not 0 <= crf <= (self.max_crf or 0):
            raise InvalidConfigError(f"crf must be a whole number from 0 to {self.max_crf}, not {crf!r}", field="crf")
        return crf


def timescale(fps: Fraction) -> int:
    """Return ticks per second such that a frame takes a whole number of them: the least such number from 90 000 on."""
    return fps.numerator * -(-MIN_TIMESCALE // fps.numerator)


def _bits(bitrate: str) -> int:
    match = _BITRATE.fullmatch(str(bitrate).strip())
    bits = Fraction(match[1]) * _UNITS[match[2]] if match else Fraction(0)
    if not 1_000 <= bits <= 2_000_000_000:
        raise InvalidConfigError(
            f"bitrate must be bits a second between 1k and 2000M, such as 8M or 500k, not {bitrate!r}",
            field="bitrate",
        )
    return int(bits)
