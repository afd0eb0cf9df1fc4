"""Plans without pages and chunks that sleep: what the Dask layer does can be measured, and tested, without a browser.

Everything else is real: graphs, keys, priorities, the task with its observer and its progress events, retries and
copies. Lengths are drawn by name of the video and index of the chunk, so that every run has the same.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import hfdask.cluster.tasks
from hfdask.core.model import PROTOCOL, ChunkRange, Environment, FontSet, Manifest, PageSettings, Rate, Timeline
from hfdask.core.observer import Observer
from hfdask.core.results import ChunkResult
from hfdask.errors import RenderCancelledError
from hfdask.formats.table import encoder_settings
from hfdask.manifest.location import PlanLocation
from hfdask.manifest.plan import Plan
from hfdask.store import Place

FRAMES = 60
"""Of every chunk."""

VIDEO_SECONDS, VIDEO_SPREAD = 8.0, 0.4
"""Median length of the chunks of a video, and the spread of its logarithm from video to video."""

CHUNK_SPREAD = 0.25
"""Spread of the logarithm from chunk to chunk of a video."""

POLL = 0.5
"""Seconds between looks for a cancellation. A real chunk looks more often, but has a separate machine."""


def sleeping_plan(url: str, chunks: int, costs: Sequence[int] = ()) -> Plan:
    """Return a plan of ``chunks`` empty chunks of these costs; ``url`` is its name, too, and nothing is stored there."""
    frames = chunks * FRAMES
    manifest = Manifest(
        protocol=PROTOCOL,
        plan_hash="",
        entry=url,
        fps=Rate.of(Fraction(30)),
        width=1920,
        height=1080,
        frames=frames,
        chunks=tuple(
            ChunkRange(index=i, start=i * FRAMES, end=(i + 1) * FRAMES, key="0" * 64, cost=costs[i] if costs else 0)
            for i in range(chunks)
        ),
        format="mp4",
        encoder=encoder_settings("draft", None, None, Fraction(30)),
        page=PageSettings(
            width=1920,
            height=1080,
            capture_mode="beginframe",
            fragment=False,
            variables={},
            page_errors="raise",
            load_timeout=30.0,
            frame_timeout=30.0,
        ),
        environment=Environment(**dict.fromkeys(Environment.__struct_fields__, "none")),
        timeline=Timeline(
            composition_id="c", duration=frames / 30, duration_source="none", clips=(), timelines=(), adapters=()
        ),
        artifacts=(),
        resources=(),
        fonts=FontSet(files=(), stand_ins={}),
        videos=(),
        clips=(),
        only_heard=(),
        sound=None,
        warnings=(),
    )
    return Plan(PlanLocation(url), manifest.sealed())


def realistic_seconds(video: str, index: int) -> float:
    """Return the seconds of a chunk: log-normal over videos, and over the chunks of a video."""
    whole, part = random.Random(video), random.Random(f"{video}/{index}")
    return VIDEO_SECONDS * whole.lognormvariate(0, VIDEO_SPREAD) * part.lognormvariate(0, CHUNK_SPREAD)


def sleep_instead_of_rendering(
    seconds: Callable[[str, int], float],
    ended: Callable[[str, int, str, float, float], None] = lambda video, index, worker, begin, end: None,
) -> Callable[..., ChunkResult]:
    """A stand-in for the task's `render_chunk`, which says of every chunk when it began and ended.

    It reports each frame and looks now and then whether it was cancelled, as the real one does.
    """

    def render_chunk(plan: Place, index: int, output: Place, *, observer: Observer, **_: Any) -> ChunkResult:
        plan_url, output_url = os.fspath(plan), os.fspath(output)
        began, length = time.time(), seconds(plan_url, index)
        while (left := began + length - time.time()) > 0:
            time.sleep(min(left, POLL))
            if observer.cancelled():
                raise RenderCancelledError(f"chunk {index} of {plan_url} was cancelled")
            observer.progress(min(FRAMES - 1, int(FRAMES * (time.time() - began) / length)), FRAMES)
        observer.progress(FRAMES, FRAMES)
        result = _result(plan_url, index, output_url, observer, length)
        ended(plan_url, index, observer.worker, began, time.time())
        return result

    return render_chunk


def install(render_chunk: Callable[..., ChunkResult]) -> None:
    """Let this process's workers run this instead of rendering."""
    vars(hfdask.cluster.tasks)["render_chunk"] = render_chunk


def _result(plan_url: str, index: int, output_url: str, observer: Observer, length: float) -> ChunkResult:
    digest = "0" * 64
    return ChunkResult(
        plan_hash=digest,
        key=digest,
        index=index,
        start=index * FRAMES,
        end=(index + 1) * FRAMES,
        url=output_url,
        sha256=digest,
        size=1_000_000,
        codec="libx264",
        capture_mode="beginframe",
        digest=digest,
        before_digest=digest[:32],
        last_digest=digest[:32],
        static_frames=0,
        stages={"materialise": 0.01, "boot": 0.3, "capture": length, "encode": length, "upload": 0.02},
        warm=True,
        worker=observer.worker,
        browser="none",
        messages=0,
        attempt=observer.attempt,
    )
