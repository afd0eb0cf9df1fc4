"""Tests of all kinds follow each other in a process, so more browsers stay warm in it than in a process that only renders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import hfdask
from hfdask.browser.pool import BrowserPool

KEPT = 5
"""Browsers of a process, of all fonts, sizes and ways of capture."""

_make_room = BrowserPool._make_room


@contextmanager
def warm_browsers() -> Iterator[None]:
    """Keep browsers warm as long as the block runs, and close them at its end."""

    async def make_room(pool: BrowserPool) -> None:
        while pool._idle and len(pool._idle) + pool._lent > max(KEPT, pool._most_lent + 1):
            await pool._idle.pop(0).close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BrowserPool, "_make_room", make_room)
        yield
        hfdask.close_browsers()


@pytest.fixture
def few_browsers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without a browser, and keep no more of them warm than hfdask does."""
    hfdask.close_browsers()
    monkeypatch.setattr(BrowserPool, "_make_room", _make_room)
