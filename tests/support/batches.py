"""Rows that sleep instead of rendering, so that the driver of a batch can be tested and measured without a browser."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import hfdask.batch.tasks
from hfdask.config import RenderConfig
from hfdask.core.model import Rate
from hfdask.core.observer import Observer
from hfdask.core.results import RenderResult
from hfdask.errors import RenderCancelledError
from hfdask.planning.planning import FrozenProject
from hfdask.store import Location, split_url

POLL = 0.02

RenderShort = Callable[..., Any]


def sleeping_row(
    seconds: Callable[[Mapping[str, Any]], float],
    began: Callable[[Mapping[str, Any]], None] = lambda variables: None,
) -> RenderShort:
    """A stand-in for `hfdask.batch.tasks.render_short`: sleep, then write the row's values in place of a video.

    ``seconds`` and ``began`` are called with the variables of the row.
    """

    def render_short(
        frozen: FrozenProject,
        files: Mapping[str, Path],
        output: Location,
        options: RenderConfig,
        *,
        observer: Observer,
        **_: Any,
    ) -> RenderResult:
        began(options.variables)
        end = time.monotonic() + seconds(options.variables)
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, POLL))
            if observer.cancelled():
                raise RenderCancelledError("the row was cancelled")
        content = repr(sorted(options.variables.items())).encode()
        store, name = split_url(output)
        store.put(name, content)
        return _result(output.url, content)

    return render_short


def install(render_short: RenderShort) -> None:
    """Let this process's workers run this instead of rendering, and compare nothing."""
    vars(hfdask.batch.tasks).update(render_short=render_short, looks_alike=lambda *_: False)


def _result(output: str, content: bytes) -> RenderResult:
    return RenderResult(
        output=output,
        plan_url="",
        plan_hash="0" * 64,
        frames=60,
        fps=Rate.of(Fraction(30)),
        width=640,
        height=360,
        duration=2.0,
        size=len(content),
        digest=hashlib.md5(content).hexdigest(),
        static_frames=0,
        stages={},
        chunks=(),
        seams=(),
        warnings=(),
    )
