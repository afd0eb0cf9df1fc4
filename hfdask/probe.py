"""Probing: what only a browser can tell of a composition, found out once while it is planned."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import msgspec

from hfdask.browser import browser_thread
from hfdask.browser.session import open_page
from hfdask.config import RenderConfig
from hfdask.errors import InvalidConfigError, TimelineError, UnsupportedFeatureError
from hfdask.model import Artifact, Clip, PageSettings, Timeline
from hfdask.store import Store, materialiser
from hfdask.timing import parse_fps

MAX_SIDE = 7680
DEFAULT_FPS = Fraction(30)


@dataclass(frozen=True)
class Probe:
    page: PageSettings
    fps: Fraction
    timeline: Timeline
    warnings: tuple[str, ...]
    messages: tuple[str, ...]


async def probe(
    store: Store, artifacts: tuple[Artifact, ...], entry: str, page: PageSettings, options: RenderConfig
) -> Probe:
    """Load the page; once more where its size or rate is not what was assumed, since layout depends on both."""
    files = materialiser.files(store, artifacts)
    fps = DEFAULT_FPS if options.fps is None else parse_fps(options.fps)
    for _ in range(2):
        async with (
            browser_thread().pool.lease(page.capture_mode) as (chromium, _),
            open_page(chromium, files, page, fps) as session,
        ):
            await session.debug()
            loaded = await session.load(entry)
            report = await session.report()
            await session.finish()
        wanted = _canvas(report, page)
        rate, rate_warnings = _rate(report["fps"], options)
        if wanted == page and rate == fps:
            break
        page, fps = wanted, rate
    # Only what is the same each time: the console and the clock are not, and a plan's hash covers its warnings.
    warnings = [*report["warnings"], *rate_warnings, *_timeline_warnings(loaded.missing, report)]
    messages = [*session.log.messages, *(f"gave up waiting for {what}" for what in loaded.abandoned)]
    return Probe(page, fps, _timeline(report), _once(warnings), _once(messages))


def _once(texts: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _canvas(report: dict[str, Any], page: PageSettings) -> PageSettings:
    if report["unsupported"]:
        raise UnsupportedFeatureError(
            "this version does not render " + "; ".join(report["unsupported"]), features=report["unsupported"]
        )
    size = {name: report[name] for name in ("width", "height")}
    for name, value in size.items():
        if not 16 <= value <= MAX_SIDE:
            raise InvalidConfigError(
                f"data-{name} of the composition root is {value}; it must be from 16 to {MAX_SIDE} pixels",
                field=f"data-{name}",
            )
    return msgspec.structs.replace(page, width=int(size["width"]), height=int(size["height"]))


def _rate(declared: str | None, options: RenderConfig) -> tuple[Fraction, list[str]]:
    """The frame rate, and warnings: an option wins over the root's ``data-fps``."""
    if options.fps is not None:
        return parse_fps(options.fps), []
    if declared is None:
        return DEFAULT_FPS, []
    try:
        return parse_fps(declared), []
    except InvalidConfigError as error:
        return DEFAULT_FPS, [f"data-fps of the root is ignored: {error.message}"]


def _timeline(report: dict[str, Any]) -> Timeline:
    return Timeline(
        composition_id=report["compositionId"],
        duration=report["duration"],
        duration_source=report["source"],
        clips=tuple(Clip(**clip) for clip in report["clips"]),
        timelines=tuple(sorted(report["timelines"])),
        adapters=tuple(report["adapters"]),
    )


def _timeline_warnings(missing: list[str], report: dict[str, Any]) -> list[str]:
    if not missing:
        return []
    names = ", ".join(missing)
    if report["duration"] <= 0:
        raise TimelineError(
            f"no script registered a timeline for {names}, and without data-duration on the root the length of the video "
            f"depends on it: register window.__timelines[{missing[0]!r}], or declare data-duration and data-no-timeline",
            missing=missing,
        )
    return [f"no script registered a timeline for {names}; say data-no-timeline where none is meant"]
