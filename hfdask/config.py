"""What a caller can ask of a render, checked before anything is done."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any, Literal, get_type_hints

import msgspec

from hfdask.errors import InvalidConfigError
from hfdask.media.encode import h264_settings
from hfdask.timing import chunk_ranges, parse_fps

QUALITIES = ("draft", "standard", "high")
CheckLevel = Literal["report", "strict", "strict-all", "off"]
CHECK_LEVELS = ("report", "strict", "strict-all", "off")


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
        How the video is split; see `hfdask.timing.chunk_ranges`.
    variables : dict, optional
        Overrides of the composition's variables, JSON values only.
    entry : str
        The entry document, relative to the project.
    capture : {"auto", "beginframe", "screenshot"}
        The way frames are taken; ``auto`` asks the browser.
    page_errors : {"raise", "warn"}
        Whether an exception that a script of the page does not catch ends the render.
    check : {"report", "strict", "strict-all", "off"}
        What the findings of `hfdask.check` do before anything is rendered: nothing but be reported, end it where one is
        an error, end it where there is any; or no check at all. The plan is the same.
    load_timeout, frame_timeout : float
        Seconds that the page may take to become ready, and for a frame.

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
    entry: str = "index.html"
    capture: Literal["auto", "beginframe", "screenshot"] = "auto"
    page_errors: Literal["raise", "warn"] = "raise"
    check: CheckLevel = "report"
    load_timeout: float = 45.0
    frame_timeout: float = 30.0

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
                raise InvalidConfigError(f"{name} is {getattr(self, name)!r}: {error}", field=name) from error
        rate = Fraction(30) if self.fps is None else parse_fps(self.fps)
        h264_settings(self.quality, self.crf, self.bitrate, rate)
        self.ranges(1)
        _choice("capture", self.capture, ("auto", "beginframe", "screenshot"))
        _choice("page_errors", self.page_errors, ("raise", "warn"))
        _choice("check", self.check, CHECK_LEVELS)
        for name in ("load_timeout", "frame_timeout"):
            seconds = getattr(self, name)
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= 3600:
                raise InvalidConfigError(
                    f"{name} must be seconds, more than 0 and at most 3600, not {seconds!r}", field=name
                )
        if not isinstance(self.variables, dict):
            raise InvalidConfigError("variables must be a dict of JSON values", field="variables")
        _require_json(self.variables, "variables", ())

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


def _choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InvalidConfigError(f"{name} must be one of {', '.join(choices)}, not {value!r}", field=name)


def _require_json(value: object, where: str, above: tuple[int, ...]) -> None:
    if id(value) in above:
        raise InvalidConfigError(f"{where} contains itself", field=where)
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise InvalidConfigError(f"{where} has a key that is no string: {key!r}", field=where)
            _require_json(item, f"{where}.{key}", (*above, id(value)))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            _require_json(item, f"{where}[{number}]", (*above, id(value)))
    elif not (
        value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))
    ):
        raise InvalidConfigError(f"{where} is {value!r}, which is no JSON value", field=where)
