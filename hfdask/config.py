"""The options of renders, checked before a render begins."""

from __future__ import annotations

import functools
import math
import os
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from typing import Annotated, Any, Literal, Self, TypedDict, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import msgspec

from hfdask.core.fields import MAX_DEPTH, MAX_LOOP, is_plain, misfit
from hfdask.core.frames import chunk_ranges, parse_fps
from hfdask.core.model import EncoderSettings, VideoTransfer
from hfdask.core.sizes import parse_resolution, parse_scale, scale_of
from hfdask.core.video_source import VideoSource
from hfdask.errors import InvalidConfigError
from hfdask.formats.format import Format
from hfdask.formats.table import CODECS, FORMATS, OUTPUT_SUFFIXES, encoder_settings, format_named
from hfdask.media.picture import video_side
from hfdask.network.addresses import normal_host
from hfdask.precedence import merged

Quality = Literal["draft", "looks", "standard", "high"]
CheckLevel = Literal["report", "strict", "strict-all", "off"]
CaptureOption = Literal["auto", "beginframe", "canvas", "screenshot"]
PageErrors = Literal["raise", "warn"]
FontsOption = Literal["embed", "reject"]
PlanOn = Literal["auto", "driver", "worker"]
AssembleOn = Literal["driver", "worker"]

WITH_GRAMMARS = ("fps", "scale", "plan_dir")
"""Options that are numbers or text, and are not checked by their types alone."""

MAX_NAMES = 5000
"""Variables of a page: each is a property of its style, and to set many takes minutes."""

MAX_VARIABLES = 10 * 10**6
"""Bytes of JSON."""


@dataclass(frozen=True)
class Help:
    """The text of an option in the command line's help, and the placeholder for its value."""

    text: str
    metavar: str = ""


class PlanOptions(TypedDict, total=False):
    """The fields of `RenderConfig` as keywords."""

    fps: int | str | Fraction | None
    format: str | None
    codec: str | None
    alpha: bool | None
    hdr: bool
    loop: int
    sound_codec: str | None
    quality: Quality
    crf: int | None
    bitrate: str | None
    chunk_size: int | None
    target_chunk_frames: int | None
    max_chunks: int | None
    workers: int | None
    variables: dict[str, Any]
    strict_variables: bool
    width: int | None
    height: int | None
    resolution: str | None
    scale: int | float | str | Fraction | None
    entry: str
    capture: CaptureOption
    page_errors: PageErrors
    check: CheckLevel
    fonts: FontsOption
    load_timeout: float
    frame_timeout: float
    sweep: int | None
    allow_hosts: tuple[str, ...]
    replace_urls: dict[str, str]


class RenderOptions(PlanOptions, total=False):
    """The fields of `RenderConfig` and `JobConfig` as keywords."""

    plan_dir: str | os.PathLike[str] | None
    damage_test: bool
    strict: bool
    certificate: bool
    retries: int
    plan_on: PlanOn
    assemble_on: AssembleOn


@dataclass(frozen=True)
class _Options:
    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Make options of keyword arguments.

        Raises
        ------
        InvalidConfigError
            For a value that cannot be used, or an unknown name; lists the known ones.
        """
        known = [item.name for item in fields(cls)]
        for name in options:
            if name not in known:
                raise InvalidConfigError(f"unknown option {name!r}; known are {', '.join(known)}", field=name)
        return cls(**options)

    @classmethod
    @functools.cache
    def _types(cls) -> dict[str, Any]:
        return get_type_hints(cls)

    def _require_types(self) -> None:
        for name, kind in self._types().items():
            if name in WITH_GRAMMARS:
                continue
            value = getattr(self, name)
            try:
                msgspec.convert(value, kind)
            except msgspec.ValidationError as error:
                choices = f"must be one of {', '.join(get_args(kind))}, not" if get_origin(kind) is Literal else "is"
                raise InvalidConfigError(f"{name} {choices} {_shown(value)}: {error}", field=name) from error


@dataclass(frozen=True, kw_only=True)
class RenderConfig(_Options):
    """Options of a plan. Each public function takes one as ``config``, its fields as keywords, or both.

    Parameters
    ----------
    fps : int or str or Fraction, optional
        Frames a second, 1 to 240, whole or rational (``"30000/1001"``). Default: the root's ``data-fps``, else 30.
    format : str, optional
        Format of the output, see docs/formats.md. Default: the ending of the output's name; for a plan without an output,
        ``mp4``.
    codec : str, optional
        Codec of the video, if the format has several. Default: the first one in docs/formats.md.
    alpha : bool, optional
        True to keep the page's alpha, false to draw it on white. Default: true if the format can.
    hdr : bool
        True for a video in HDR: an MP4 file in H.265 with 10 bits, in PQ if a source video is in PQ, else in HLG. False to map
        HDR sources to SDR.
    loop : int
        Times that an animation (GIF, WebP) is shown, up to 65,535; 0 without end.
    sound_codec : str, optional
        Codec of the sound, if the format has several: ``pcm`` or ``aac`` in MOV. Default: the first one in docs/formats.md.
    quality : {"looks", "standard", "draft", "high"}
        Speed and rate factor of the encoder. For H.264: medium and CRF 16, medium and 18, ultrafast and 28, slow and 15. Other
        codecs look alike at the same quality; ProRes and PNG are the same at each.
    crf : int, optional
        Constant rate factor, 0 to 51 for H.264 and H.265, 0 to 63 for AV1 and VP9, instead of the quality's; not together with
        ``bitrate``.
    bitrate : str, optional
        Video bit rate such as ``"8M"`` instead of a CRF.
    chunk_size, target_chunk_frames, max_chunks, workers : int, optional
        How the video is split into chunks: docs/plan-format.md, "Chunks".
    variables : dict, optional
        Overrides of the composition's variables, JSON values only.
    strict_variables : bool
        True to make overrides that do not fit the composition's declarations an error; else they are warnings.
    width, height : int, optional
        Size in pixels of a page without a composition root. Default: its ``__hf.width`` and ``__hf.height``, else
        1920x1080.
    resolution : str, optional
        Size of the video: ``"1920x1080"``, or a name such as ``"4k"``, ``"1440p"``, ``"1080p"``, ``"720p"`` or
        ``"1080p-portrait"``. The composition must have the same shape. Default: the size of the composition.
    scale : number or str, optional
        The same as a factor from 1/2 to 8, such as 2, 1.5 or ``"2/3"``; not together with ``resolution``.
    entry : str
        The entry document, relative to the project.
    capture : {"auto", "beginframe", "canvas", "screenshot"}
        The way frames are taken. ``canvas`` is the fastest, and draws some content wrong, of which the plan warns; ``auto``
        chooses it for long videos if some frames look the same, else ``beginframe``, else ``screenshot``.
    page_errors : {"raise", "warn"}
        ``raise`` to end the render if a script of the page does not catch an exception.
    check : {"report", "strict", "strict-all", "off"}
        Effect of the findings of `hfdask.check`: only report them, fail if there is an error, or fail if there is any
        finding; ``off`` does not check. The plan is the same.
    fonts : {"embed", "reject"}
        ``embed`` puts fonts of this machine that the page uses into the plan; ``reject`` ends planning with an error.
    load_timeout, frame_timeout : float
        Time limits in seconds for the page to become ready, and for a frame.
    sweep : int, optional
        Planning goes once through the timeline, without pictures, to find files that the page loads late. It visits every
        ``sweep``-th frame; 0 to skip this. Default: at most 90 frames, evenly spaced.
    allow_hosts : sequence of str
        Hosts from which planning may fetch although their addresses are private, such as ``"localhost"``.
    replace_urls : dict of str to str
        Replacements for URLs with these prefixes: a local file or folder, or another URL. The longest prefix wins.

    Raises
    ------
    InvalidConfigError
        With ``details["field"]``, for any value that no render can use.
    FormatNotSupportedError
        For HDR in another format or codec, or with alpha.
    """

    fps: Annotated[
        int | str | Fraction | None, Help("Frames per second: 1 to 240, or a rational such as 30000/1001.", "RATE")
    ] = None
    format: Annotated[
        str | None, Help(f"Format ({', '.join(FORMATS)}) instead of the ending of the output's name.", "FORMAT")
    ] = None
    codec: Annotated[str | None, Help(f"Codec ({', '.join(CODECS)}) instead of the format's default.", "CODEC")] = None
    alpha: Annotated[bool | None, Help("Keep transparency.  [default: if the format can]")] = None
    hdr: Annotated[bool, Help("Write HDR: 10-bit H.265 in PQ or HLG.")] = False
    loop: Annotated[int, Help("Times that an animation is shown; 0 without end.", "N")] = 0
    sound_codec: Annotated[str | None, Help("Codec of the sound instead of the format's default.", "CODEC")] = None
    quality: Annotated[Quality, Help("Speed and quality of the encoder.")] = "looks"
    crf: Annotated[int | None, Help("Constant rate factor instead of the quality's.", "N")] = None
    bitrate: Annotated[str | None, Help("Bit rate such as 8M, instead of a rate factor.", "RATE")] = None
    chunk_size: Annotated[int | None, Help("Frames per chunk.", "FRAMES")] = None
    target_chunk_frames: Annotated[int | None, Help("Approximate frames per chunk.", "FRAMES")] = None
    max_chunks: Annotated[int | None, Help("Maximum number of chunks.", "N")] = None
    workers: Annotated[int | None, Help("Chunks to render at a time, and to size chunks for.", "N")] = None
    variables: Annotated[dict[str, Any], Help("Values of the composition's variables.", "JSON")] = field(
        default_factory=dict
    )
    strict_variables: Annotated[bool, Help("Fail if such values do not fit their declarations.")] = False
    width: Annotated[int | None, Help("Width of a page without a composition root.", "PIXELS")] = None
    height: Annotated[int | None, Help("Height of a page without a composition root.", "PIXELS")] = None
    resolution: Annotated[
        str | None, Help("Size of the video: 4k, 1440p, 1080p, 720p, or WIDTHxHEIGHT of the same shape.", "SIZE")
    ] = None
    scale: Annotated[
        int | float | str | Fraction | None, Help("Size of the video as a factor, such as 2 or 2/3.", "FACTOR")
    ] = None
    entry: Annotated[str, Help("Entry document.", "FILE")] = "index.html"
    capture: Annotated[CaptureOption, Help("Capture method.")] = "auto"
    page_errors: Annotated[PageErrors, Help("How to treat exceptions that scripts do not catch.")] = "raise"
    check: Annotated[CheckLevel, Help("How to treat findings of the check.")] = "report"
    fonts: Annotated[FontsOption, Help("Embed or reject system fonts, and characters without a glyph.")] = "embed"
    load_timeout: Annotated[float, Help("Time limit for the page to become ready.", "SECONDS")] = 45.0
    frame_timeout: Annotated[float, Help("Time limit for a frame.", "SECONDS")] = 30.0
    sweep: Annotated[int | None, Help("Look for files that load late at every Nth frame; 0 to skip.", "N")] = None
    allow_hosts: Annotated[tuple[str, ...], Help("Private host that the page may fetch from.", "HOST")] = ()
    replace_urls: Annotated[
        dict[str, str],
        Help("Take URLs with this prefix from a local file or folder, or from another URL.", "PREFIX=PLACE"),
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._require_types()
        if self.hdr and self.capture == "canvas":
            raise InvalidConfigError(
                "a video in HDR is not captured from a canvas; use capture='auto', or leave out hdr", field="capture"
            )
        rate = Fraction(30) if self.fps is None else parse_fps(self.fps)
        self._format.sound_named(self.sound_codec)
        if self.encoder(rate).alpha and self.capture == "canvas":
            raise InvalidConfigError(
                f"a canvas gives no alpha, which {self.output_format} keeps; use capture='auto', or alpha=False",
                field="capture",
            )
        self.ranges(1)
        self._require_size()
        self._require_loop()
        for name in ("load_timeout", "frame_timeout"):
            seconds = getattr(self, name)
            if not 0 < seconds <= 3600:
                raise InvalidConfigError(
                    f"{name} must be seconds, more than 0 and at most 3600, not {seconds!r}", field=name
                )
        if self.sweep is not None and self.sweep < 0:
            raise InvalidConfigError(f"sweep must be a whole number of at least 0, not {self.sweep!r}", field="sweep")
        _require_hosts(self.allow_hosts)
        _require_replacements(self.replace_urls)
        require_variables(self.variables)

    def _require_size(self) -> None:
        if self.resolution is not None:
            parse_resolution(self.resolution, 16, 9)
        if self.scale is not None:
            parse_scale(self.scale)
            if self.resolution is not None:
                raise InvalidConfigError("give either resolution or scale, not both", field="scale")

    def _require_loop(self) -> None:
        if not 0 <= self.loop <= MAX_LOOP:
            raise InvalidConfigError(f"loop must be a whole number from 0 to {MAX_LOOP}, not {self.loop}", field="loop")
        if self.loop and self.format is not None and not format_named(self.format).loops:
            raise InvalidConfigError(f"the format {self.format} has no loop count; leave out loop", field="loop")

    @property
    def _format(self) -> Format:
        return format_named(self.format, self.codec)

    def scale_for(self, width: int, height: int) -> Fraction:
        """Return the exact scale of a composition of this size in pixels.

        Raises
        ------
        InvalidConfigError
            If ``resolution`` or ``scale`` does not fit it.
        """
        return scale_of(width, height, self.resolution, self.scale)

    def capped(self, fps: Fraction) -> tuple[Fraction, list[str]]:
        """Return the rate that the format allows in place of this one, with a warning if it is another."""
        chosen = self._format
        if chosen.max_fps is None or fps <= chosen.max_fps:
            return fps, []
        told = f"{chosen.name} has at most {chosen.max_fps} frames a second, so the video has {chosen.max_fps} instead of {fps}"
        return Fraction(chosen.max_fps), [told]

    def padding(self, width: int, height: int) -> list[str]:
        """Return a warning if pictures of this size in pixels get another row or column, as the format of their pixels needs."""
        pixels = self.encoder(Fraction(30)).pixel_format
        size = video_side(width, pixels), video_side(height, pixels)
        if size == (width, height):
            return []
        return [
            f"the video has {size[0]}x{size[1]} pixels instead of {width}x{height}, because {pixels} needs even sides: the last row or "
            "column is repeated; choose another size, or a format that keeps odd sides, such as mov or png"
        ]

    def in_segments(self, fps: Fraction) -> RenderConfig:
        """Return these options with the length of chunks that the format wants, unless they give one."""
        seconds = self._format.segment
        if seconds is None or self.sizes_chunks:
            return self
        return replace(self, chunk_size=round(seconds * fps))

    @property
    def has_sound(self) -> bool:
        """True if the format can have sound."""
        return self._format.sound is not None

    @property
    def output_format(self) -> str:
        """The name of the output's format, also if none was given."""
        return self._format.name

    def require_output(self, name: str) -> None:
        """Check the file name of an output.

        Raises
        ------
        InvalidConfigError
            If it belongs to another format, or to none, and no format was given.
        """
        if self.format is None:
            endings = " or ".join(OUTPUT_SUFFIXES)
            raise InvalidConfigError(
                f"the output's name must end in {endings}, not {name!r}; for a folder of pictures, give the format png",
                field="output",
            )
        format_named(self.format).require_name(name)

    def require_video(self, frames: int, width: float, height: float) -> None:
        """Check the length and the size of a video, in frames and pixels.

        Raises
        ------
        InvalidConfigError
            If the format cannot have it.
        """
        self._format.require_video(frames, width, height, self._codec)

    @property
    def _codec(self) -> str | None:
        return self._format.hdr_codec(self.codec, alpha=self.alpha) if self.hdr else self.codec

    def encoder(self, fps: Fraction, sources: Iterable[VideoSource] = ()) -> EncoderSettings:
        """Return the settings of the encoder of a video at this rate that shows these source videos."""
        transfer: VideoTransfer = "bt709"
        if self.hdr:
            transfer = "pq" if any(source.transfer == "pq" for source in sources) else "hlg"
        return encoder_settings(
            self.quality,
            self.crf,
            self.bitrate,
            fps,
            format=self.format,
            codec=self._codec,
            alpha=self.alpha,
            transfer=transfer,
        )

    @property
    def may_choose_canvas(self) -> bool:
        """True if planning may decide to capture from a canvas."""
        return self.capture == "auto" and not self.hdr

    @property
    def sizes_chunks(self) -> bool:
        """True if these options say how long chunks are, or how many."""
        return bool(self.chunk_size or self.target_chunk_frames or self.max_chunks)

    def ranges(self, frames: int) -> list[tuple[int, int]]:
        """Return the chunk ranges of equal length of a video of ``frames`` frames."""
        return chunk_ranges(
            frames,
            size=self.chunk_size,
            target=self.target_chunk_frames,
            max_chunks=self.max_chunks,
            workers=self.workers,
        )


@dataclass(frozen=True, kw_only=True)
class JobConfig(_Options):
    """Options of a render that are not part of its plan.

    Parameters
    ----------
    plan_dir : str or path, optional
        Folder of the plan and its chunks, any fsspec URL that the workers can write to. It is kept, so that the next
        render there, also of a changed project, reuses every chunk that did not change. Default: next to the output,
        and removed when the video is done.
    damage_test : bool
        True to take frames that the compositor did not change from the frame before. The pixels are the same.
    strict : bool
        True to raise an error instead of a warning if the two renderings of a seam differ.
    certificate : bool
        True to write a certificate next to the video (see `hfdask.verify`); keep the plan to use it later.
    retries : int
        New attempts of a chunk after transient errors.
    plan_on : {"auto", "driver", "worker"}
        The process that plans. ``auto`` uses a worker if this process has no browser and there are workers in other processes.
    assemble_on : {"driver", "worker"}
        The process that writes the video: the driver while chunks render, or a worker afterwards.

    Raises
    ------
    InvalidConfigError
        With ``details["field"]``.
    """

    plan_dir: Annotated[str | os.PathLike[str] | None, Help("Keep the plan and its chunks there.", "URL")] = None
    damage_test: Annotated[bool, Help("Capture only frames that change.")] = True
    strict: Annotated[bool, Help("Fail if two chunks render the frame at their seam differently.")] = False
    certificate: Annotated[bool, Help("Write a certificate next to the video, for `hfdask verify`.")] = False
    retries: Annotated[int, Help("New attempts of a chunk after transient errors.", "N")] = 2
    plan_on: Annotated[PlanOn, Help("Where to plan.")] = "auto"
    assemble_on: Annotated[AssembleOn, Help("Where to assemble.")] = "driver"

    def __post_init__(self) -> None:
        self._require_types()
        if self.retries < 0:
            raise InvalidConfigError(
                f"retries must be a whole number of at least 0, not {self.retries}", field="retries"
            )


JOB_OPTIONS = frozenset(item.name for item in fields(JobConfig))


def explicit(config: RenderConfig | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that a caller gave: fields of ``config`` that differ from the default, and the keywords, which win.

    Raises
    ------
    InvalidConfigError
        If ``config`` is not a `RenderConfig`.
    """
    if config is None:
        return dict(options)
    if not isinstance(config, RenderConfig):
        raise InvalidConfigError(f"config must be a hfdask.RenderConfig, not {_shown(config)}", field="config")
    usual = RenderConfig()
    names = (item.name for item in fields(config))
    changed = {name: getattr(config, name) for name in names if getattr(config, name) != getattr(usual, name)}
    return merged(changed, options)


def is_url(text: str) -> bool:
    """Return true if a replacement of URLs is another URL, not a local file or folder."""
    return text.startswith(("http://", "https://"))


def _require_hosts(hosts: Iterable[str]) -> None:
    for host in hosts:
        if not is_plain(host) or not _is_host(host):
            raise InvalidConfigError(
                f"allow_hosts holds {_shown(host)}; it takes names such as 'localhost', without scheme and port",
                field="allow_hosts",
            )


def _is_host(text: str) -> bool:
    try:
        normal_host(text)
    except ValueError:
        return False
    return True


def _require_replacements(replace_urls: dict[str, str]) -> None:
    for prefix, target in replace_urls.items():
        if not (is_url(prefix) and is_plain(prefix) and _host(prefix)):
            raise InvalidConfigError(
                f"replace_urls: {_shown(prefix)} must begin as the URLs do, https://HOST/...", field="replace_urls"
            )
        if not target or not is_plain(target) or (is_url(target) and not _host(target)):
            raise InvalidConfigError(
                f"replace_urls: {prefix} has no place that is a path or a URL: {_shown(target)}", field="replace_urls"
            )


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # brackets around an invalid address
        return ""


def _shown(value: object) -> str:
    """Return a short text of a value for a message."""
    return reprlib.repr(value)


def require_variables(variables: dict[str, Any]) -> None:
    """Check that variables are JSON that a plan and a page can hold.

    Raises
    ------
    InvalidConfigError
        With the value's place in ``details["field"]``.
    """
    waiting: list[tuple[str, object, tuple[int, ...]]] = [("variables", variables, ())]
    while waiting:
        where, value, above = waiting.pop()
        problem = _problem(value, above)
        if problem:
            raise InvalidConfigError(f"{where[:200]} {problem}", field=where[:200])
        inside = (*above, id(value))
        if isinstance(value, dict):
            waiting.extend((f"{where}.{key}", item, inside) for key, item in value.items())
        elif isinstance(value, list | tuple):
            waiting.extend((f"{where}[{number}]", item, inside) for number, item in enumerate(value))
    if why := misfit(variables):
        raise InvalidConfigError(f"variables cannot be used: {why}", field="variables")
    if len(variables) > MAX_NAMES:
        raise InvalidConfigError(f"{len(variables)} variables are more than {MAX_NAMES}", field="variables")
    if len(msgspec.json.encode(variables)) > MAX_VARIABLES:
        raise InvalidConfigError(f"variables are more than {MAX_VARIABLES} bytes of JSON", field="variables")


def _problem(value: object, above: tuple[int, ...]) -> str:
    """Return the reason why a single value, inside of the values ``above``, is not JSON; empty if it is."""
    if id(value) in above:
        return "contains itself"
    if len(above) > MAX_DEPTH:
        return f"is more than {MAX_DEPTH} levels deep"
    if isinstance(value, dict):
        odd = [key for key in value if not isinstance(key, str)]
        return f"has a key that is not a string: {_shown(odd[0])}" if odd else ""
    plain = value is None or isinstance(value, str | bool | int | list | tuple)
    finite = isinstance(value, float) and math.isfinite(value)
    return "" if plain or finite else f"is {_shown(value)}, which is not a JSON value"
