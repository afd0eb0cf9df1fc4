"""Frames of the compositor: a new frame waits until the last one is drawn."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import Error as PlaywrightError

from hfdask.browser import chromium
from hfdask.browser.chromium import begin_frame


class Compositor:
    """Answers `HeadlessExperimental.beginFrame` with these errors first; stands for CDP session and browser."""

    def __init__(self, *failures: str) -> None:
        self.failures = list(failures)
        self.ticks: list[float] = []
        self.drawing = asyncio.Lock()

    async def send(self, _: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.ticks.append(arguments["frameTimeTicks"])
        if self.failures:
            raise PlaywrightError(self.failures.pop(0))
        return {"hasDamage": True}

    def next_tick(self) -> float:
        return len(self.ticks) + 1.0


def draw(compositor: Compositor) -> dict[str, Any]:
    async def call() -> dict[str, Any]:
        stand_in: Any = compositor
        return await begin_frame(stand_in, stand_in, screenshot=None)

    return asyncio.run(call())


def test_a_frame_waits_for_the_one_that_is_pending():
    compositor = Compositor("Another frame is pending", "Another frame is pending")
    assert draw(compositor) == {"hasDamage": True}
    assert compositor.ticks == [1.0, 2.0, 3.0]


def test_other_errors_are_raised_at_once():
    compositor = Compositor("Target closed")
    with pytest.raises(PlaywrightError, match="Target closed"):
        draw(compositor)
    assert len(compositor.ticks) == 1


def test_a_compositor_that_never_ends_its_frame_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chromium, "_PAUSES", [0] * len(chromium._PAUSES))
    compositor = Compositor(*["Another frame is pending"] * 99)
    with pytest.raises(PlaywrightError, match="pending"):
        draw(compositor)
    assert len(compositor.ticks) == 7
