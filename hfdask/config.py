"""What a caller can ask of a render, checked before anything is done."""

from __future__ import annotations

import math
import os
import reprlib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import msgspec

from hfdask.core.fields import MAX_DEPTH, is_plain, misfit
from hfdask.core.frames import chunk_ranges, parse_fps
from hfdask.core.places import local_path
from hfdask.errors import InvalidConfigError
from hfdask.media.encode import h264_settings
from hfdask.network.addresses import normal_host

QUALITIES = ("draft", "standard", "high")
CheckLevel = Literal["report", "strict", "strict-all", "off"]
CHECK_LEVELS = ("report", "strict", "strict-all", "off")
PlanOn = Literal["auto", "driver", "worker"]
PLAN_ON: tuple[PlanOn, ...] = get_args(PlanOn)
AssembleOn = Literal["driver", "worker"]
ASSEMBLE_ON: tuple[AssembleOn, ...] = get_args(AssembleOn)

PROJECT_FILE = "hfdask.toml"
"""A project's own options, in its folder; what the caller says wins."""


MAX_PROJECT_FILE = 2**20
MAX_NAMES = 5000
"""Variables of a page: each is a property of its style, and to set many takes minutes."""

MAX_VARIABLES = 10 * 10**6
"""Bytes of JSON."""


@dataclass(frozen=True, kw_only=True)
class RenderConfig:
    """Options of a plan.

    Parameters
    ----------
    fps : int or str or Fraction, optional
        Frames a second, 1 to 240, whole or rational (``"30000/1001"``). Default: the root's ``data-fps``, else 30.
    quality : {"draft", "standard", "high"}
        x264 preset and CRF: ultrafast 28, medium 18, slow 15.
    crf : int, optional
        0 (lossless) to 51 instead of the preset's; not together with ``bitrate``.
    bitrate : str, optional
        Video bit rate such as ``"8M"`` instead of a CRF.
    chunk_size, target_chunk_frames, max_chunks, workers : int, optional
        How the video is split; see `hfdask.core.frames.chunk_ranges`.
    variables : dict, optional
        Overrides of the composition's variables, JSON values only.
    strict_variables : bool
        Whether overrides that do not fit what the composition declares are an error; else they are warnings.
    width, height : int, optional
        Size in pixels of a page without a composition root. Default: its ``__hf.width`` and ``__hf.height``, else
        1920x1080.
    entry : str
        The entry document, relative to the project.
    capture : {"auto", "beginframe", "screenshot"}
        The way frames are taken; ``auto`` asks the browser.
    page_errors : {"raise", "warn"}
        Whether an exception that a script of the page does not catch ends the render.
    check : {"report", "strict", "strict-all", "off"}
        What the findings of `hfdask.check` do before anything is rendered: nothing but be reported, end it where one is
        an error, end it where there is any; or no check at all. The plan is the same.
    fonts : {"embed", "reject"}
        Whether fonts of this machine that the page uses go into the plan, or end it.
    load_timeout, frame_timeout : float
        Seconds that the page may take to become ready, and for a frame.
    sweep : int, optional
        Planning goes once through the timeline, without pictures, to find what the page loads late: at every so many
        frames, 0 for not at all. Default: as many as `hfdask.planning.probe.MAX_SWEPT`, evenly.
    allow_hosts : sequence of str
        Hosts whose addresses need not be public ones for planning to fetch from them, such as ``"localhost"``.
    replace_urls : dict of str to str
        Places for URLs that begin so: a local file or folder, or another URL. The longest one wins.

    Raises
    ------
    InvalidConfigError
        With ``details["field"]``, for any value that no render can use.
    """

    fps: int | str | Fraction | None = None
    quality: str = "standard"
    crf: int | None = None
    bitrate: str | None = None
    chunk_size: int | None = None
    target_chunk_frames: int | None = None
    max_chunks: int | None = None
    workers: int | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    strict_variables: bool = False
    width: int | None = None
    height: int | None = None
    entry: str = "index.html"
    capture: Literal["auto", "beginframe", "screenshot"] = "auto"
    page_errors: Literal["raise", "warn"] = "raise"
    check: CheckLevel = "report"
    fonts: Literal["embed", "reject"] = "embed"
    load_timeout: float = 45.0
    frame_timeout: float = 30.0
    sweep: int | None = None
    allow_hosts: tuple[str, ...] = ()
    replace_urls: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, options: dict[str, Any]) -> RenderConfig:
        """The configuration of keyword arguments; unknown names are errors that list the known ones."""
        known = [item.name for item in fields(cls)]
        for name in options:
            if name not in known:
                raise InvalidConfigError(f"unknown option {name!r}; known are {', '.join(known)}", field=name)
        return cls(**options)

    def __post_init__(self) -> None:
        for name, kind in _TYPES.items():
            try:
                msgspec.convert(getattr(self, name), kind)
            except msgspec.ValidationError as error:
                choices = f"must be one of {', '.join(get_args(kind))}, not" if get_origin(kind) is Literal else "is"
                raise InvalidConfigError(
                    f"{name} {choices} {_shown(getattr(self, name))}: {error}", field=name
                ) from error
        rate = Fraction(30) if self.fps is None else parse_fps(self.fps)
        h264_settings(self.quality, self.crf, self.bitrate, rate)
        self.ranges(1)
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
        _require_json(self.variables)

    def ranges(self, frames: int) -> list[tuple[int, int]]:
        """The chunk ranges of a video of so many frames."""
        return chunk_ranges(
            frames,
            size=self.chunk_size,
            target=self.target_chunk_frames,
            max_chunks=self.max_chunks,
            workers=self.workers,
        )


# `fps` has a grammar of its own.
_TYPES = {name: kind for name, kind in get_type_hints(RenderConfig).items() if name != "fps"}


def with_project_file(project: str | os.PathLike[str], options: dict[str, Any]) -> dict[str, Any]:
    """A caller's options, over those of the ``[render]`` table of the project's own file, if it has one.

    Tables (``variables``, ``replace_urls``) are merged name by name. The file belongs to the project, so it can neither
    open private hosts to the page nor reach for files outside of the project.

    Raises
    ------
    InvalidConfigError
        Which names the file.
    """
    folder = Path(local_path(project)).expanduser()
    folder = folder.parent if os.path.isfile(folder) else folder
    file = folder / PROJECT_FILE
    if not os.path.isfile(file):
        return options
    document = _toml(file)
    own = document.pop("render", {})
    if document or not isinstance(own, dict):
        name = next(iter(document), "render")
        raise InvalidConfigError(f"{file}: {name!r} is not known there; options go into a table [render]", field=name)
    if "allow_hosts" in own:
        raise InvalidConfigError(
            f"{file}: allow_hosts can only be given by who renders, because it opens this machine's network to the page",
            field="allow_hosts",
        )
    try:
        RenderConfig.of(own)
    except InvalidConfigError as error:
        raise InvalidConfigError(f"{file}: {error.message}", **error.details) from error
    if "replace_urls" in own:
        own["replace_urls"] = {prefix: _inside(target, file) for prefix, target in own["replace_urls"].items()}
    merged = {**own, **options}
    for name in ("variables", "replace_urls"):
        if isinstance(own.get(name), dict) and isinstance(options.get(name), dict):
            merged[name] = {**own[name], **options[name]}
    return merged


def _toml(file: Path) -> dict[str, Any]:
    if file.stat().st_size > MAX_PROJECT_FILE:
        raise InvalidConfigError(f"{file} has more than {MAX_PROJECT_FILE} bytes", field=PROJECT_FILE)
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except RecursionError:
        problem = "it is nested too deeply"
    except OSError as error:
        problem = str(error)
    except ValueError as error:  # no TOML, no UTF-8, or a number too long
        problem = f"it is no TOML: {str(error)[:500]}"
    raise InvalidConfigError(f"{file} cannot be used: {problem}", field=PROJECT_FILE)


def _inside(target: str, file: Path) -> str:
    if is_url(target):
        return target
    folder = file.parent.resolve()
    if not is_plain(target) or not (path := (folder / local_path(target)).resolve()).is_relative_to(folder):
        raise InvalidConfigError(
            f"{file}: replace_urls: {_shown(target)} is outside of the project, or no path", field="replace_urls"
        )
    return str(path)


def is_url(text: str) -> bool:
    """Whether what replaces URLs is another URL, and no local file or folder."""
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
    except ValueError:  # brackets around what is no address
        return ""


def _shown(value: object) -> str:
    """A value for a message, however long it is."""
    return reprlib.repr(value)


def _require_json(variables: dict[str, Any]) -> None:
    """Check that variables are JSON that a plan and a page can hold."""
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
    """What keeps a single value, inside of those ``above``, from being JSON."""
    if id(value) in above:
        return "contains itself"
    if len(above) > MAX_DEPTH:
        return f"is more than {MAX_DEPTH} levels deep"
    if isinstance(value, dict):
        odd = [key for key in value if not isinstance(key, str)]
        return f"has a key that is no string: {_shown(odd[0])}" if odd else ""
    plain = value is None or isinstance(value, str | bool | int | list | tuple)
    finite = isinstance(value, float) and math.isfinite(value)
    return "" if plain or finite else f"is {_shown(value)}, which is no JSON value"
