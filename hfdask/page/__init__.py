"""The page runtime: JavaScript that makes a page's picture a function of time.

Playwright runs it in every frame of the page before any author script. So no document is rewritten, and fragments and
documents without a head need no special case. Iframes get the virtual clock and the code for CSS animations, WAAPI and
SMIL. Only the top frame gets the player.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from importlib import resources

from hfdask.core.model import PageSettings

TIMELINE_PATIENCE = 0.8
"""Share of the load time limit to wait for a missing timeline while the page has something pending."""

# In every frame of the page, and in the top one only.
_PRISTINE = "pristine.js"
_FRAME = (
    _PRISTINE,
    "connections.js",
    "tell.js",
    "clock.js",
    "hosted.js",
    "timers.js",
    "times.js",
    "machine.js",
    "experiments.js",
    "order.js",
    "styles.js",
    "gsap.js",
    "trees.js",
    "arrivals.js",
    "workers.js",
    "changes.js",
    "observers.js",
    "playback.js",
    "moments.js",
    "messages.js",
    "videos.js",
    "captions.js",
    "hdr-reads.js",
    "animations.js",
)
_FONTS = "fonts.js"
# In the host of a hosted page, whose window the page can reach.
_HOST = (_PRISTINE, "connections.js", "machine.js", "experiments.js")
_PLAYER = (
    "pending.js",
    "timing.js",
    "ramps.js",
    "clips.js",
    "sounds.js",
    "timelines.js",
    "composition.js",
    "mount.js",
    "scoped-styles.js",
    "scoped-scripts.js",
    "variables.js",
    "fit-text.js",
    "edits.js",
    "libraries.js",
    "lottie.js",
    "pictures.js",
    "choices.js",
    "films.js",
    "media-names.js",
    "video-feed.js",
    "hdr.js",
    "undriven.js",
    "unfit.js",
    "shader-transitions.js",
    "sight.js",
    "player.js",
)


# A hosted composition is below the top window.
_PLACE = "const isTop = config.hosted ? window.parent === window.top : window === window.top;"


@functools.cache
def _sources() -> tuple[str, str]:
    return _joined(_FRAME), _joined(_PLAYER)


def _joined(names: Iterable[str]) -> str:
    return "\n".join(_text(f"runtime/{name}") for name in names)


@functools.cache
def _text(path: str) -> str:
    """Return a script without the lines and the indentation that only its readers need: each page takes the whole of it."""
    lines = map(str.strip, (resources.files("hfdask.page") / path).read_text("utf-8").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def video_worker() -> str:
    """Return the script of the worker that hands pictures to a page's videos."""
    return _text("video-worker.js")


def picture_worker() -> str:
    """Return the script of the worker that draws a page's pictures, for pages that are captured from a canvas."""
    return _text("picture-worker.js")


def note_worker() -> str:
    """Return the script of the worker that writes the host's notes about frames."""
    return _text("note-worker.js")


def host_script(options: Mapping[str, object]) -> str:
    """Return the expression that makes a host in an empty document; its value has the host's functions."""
    return f'(() => {{ "use strict";\n{_text("host.js")}\nreturn openHost({json.dumps(options)}); }})()'


@functools.cache
def _names() -> tuple[str, ...]:
    """Return the names that the runtime's sources read of objects, or use alone, perhaps as built-ins."""
    text = "\n".join((*_sources(), _joined([_FONTS])))
    members = re.findall(r"\.([A-Za-z]\w*)", text)
    kinds = re.findall(r"\b[A-Z][A-Za-z]+\b", text)
    return tuple(sorted({*members, *kinds}))


@functools.cache
def runtime_digest() -> str:
    """Return the sha256 (hex) of the runtime's sources. A plan is locked to it."""
    return hashlib.sha256(
        "\0".join((*_sources(), video_worker(), _text("host.js"), picture_worker(), note_worker())).encode()
    ).hexdigest()


def runtime_script(page: PageSettings, fps: Fraction, *, reads_text: bool = False) -> str:
    """Return the script to run first in every frame of a page with these settings.

    With ``reads_text`` it also reads the page's text, for planning. That does not affect what the page draws.
    """
    frame, player = _sources()
    host = f"if (config.hosted && window === window.top) {{\n{_joined(_HOST)}\nreturn;\n}}"
    text = f"{{\n{_joined([_FONTS])}\n}}" if reads_text else ""
    config = {
        "fps": fps.as_integer_ratio(),
        "variables": page.variables,
        "fragment": page.fragment,
        "transparent": page.transparent,
        "durations": page.durations,
        "hdr": page.hdr,
        "hosted": page.capture_mode == "canvas",
        "names": _names(),
        "patience": page.load_timeout * TIMELINE_PATIENCE * 1000,
    }
    return (
        '(() => { "use strict"; if (window.__HF_VIRTUAL_TIME__) return;\n'
        f"const config = {json.dumps(config)};\n{host}\n{_PLACE}\n{frame}\nif (isTop) {{\n{player}\n}}\n{text}\nkeepBuiltIns(); }})();"
    )
