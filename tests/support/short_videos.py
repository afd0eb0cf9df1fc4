"""Render short videos in both ways, and count the pages that are loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import hfdask
from hfdask.browser.loading import Loaded
from hfdask.browser.session import PageSession
from hfdask.config import RenderConfig
from hfdask.planning.planning import FrozenProject, freeze
from hfdask.rendering.short import render_short
from hfdask.store import Snapshot, Store


class Rows:
    """A project that is frozen once, and rendered with many options by `hfdask.rendering.short.render_short`."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.source = source
        self.folder = folder
        self.frozen: FrozenProject
        with Snapshot(Store(folder / "frozen")) as snapshot:
            self.frozen = freeze(source, RenderConfig(), snapshot)
            self.files = {each.path: snapshot.file(each.sha256) for each in self.frozen.artifacts}

    def render(self, name: str = "short.mp4", *, limit: int = 3600, **options: Any) -> hfdask.RenderResult:
        video = self.either(name, limit=limit, **options)
        assert isinstance(video, hfdask.RenderResult)
        return video

    def either(self, name: str, *, limit: int, **options: Any) -> hfdask.RenderResult | hfdask.Plan:
        observer = options.pop("observer", None)
        return render_short(
            self.frozen,
            self.files,
            self.folder / name,
            RenderConfig(**options),
            limit=limit,
            plan_url=self.folder / "plan",
            observer=observer,
        )

    def bytes_of(self, name: str = "short.mp4") -> bytes:
        return (self.folder / name).read_bytes()


def long_way(source: Path, folder: Path, **options: Any) -> hfdask.RenderResult:
    """Plan, render the only chunk, and assemble ``long.mp4``: three steps, two pages."""
    plan = hfdask.plan(source, folder / "long", chunk_size=3600, **options)
    chunk = hfdask.render_chunk(plan.url, 0, plan.chunk_url(0))
    return hfdask.assemble(plan.url, [chunk], folder / "long.mp4")


@contextmanager
def loads() -> Iterator[list[str]]:
    """Collect the entry documents that are loaded in this process, as long as the block runs."""
    entries: list[str] = []
    load = PageSession.load

    async def counted(self: PageSession, entry: str) -> Loaded:
        entries.append(entry)
        return await load(self, entry)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PageSession, "load", counted)
        yield entries
