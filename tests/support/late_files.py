"""Files of a page that come late, and in another order each time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from hfdask.page import server

Delays = Callable[[str], float]


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Callable[[Delays], None]:
    """Sets how many seconds the server waits before it serves a file; none at first."""
    delays: list[Delays] = [lambda name: 0]
    serve = server._PlanFiles.get

    async def get(self: Any, path: str, include_body: bool = True) -> None:
        await asyncio.sleep(delays[0](path))
        await serve(self, path, include_body)

    monkeypatch.setattr(server._PlanFiles, "get", get)
    return lambda chosen: delays.__setitem__(0, chosen)


def by_name(**seconds: float) -> Delays:
    return lambda path: seconds.get(path.partition(".")[0], 0.0)
