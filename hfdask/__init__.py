"""Write a video as a web page; render it on a Dask cluster."""

from __future__ import annotations

from hfdask._version import __version__
from hfdask.assembly.assemble import Assembly, assemble
from hfdask.browser import close_browsers
from hfdask.checking.check import CheckReport, check
from hfdask.cluster.handle import Render
from hfdask.cluster.plugin import PrepareWorker
from hfdask.cluster.render import render, submit
from hfdask.config import RenderConfig
from hfdask.core.model import ChunkResult, Finding, RenderResult
from hfdask.core.observer import Observer
from hfdask.errors import HfdaskError
from hfdask.manifest.plan import Plan, plan
from hfdask.media.compare import Comparison, compare
from hfdask.rendering.certificate import Verification, verify
from hfdask.rendering.chunk import render_chunk
from hfdask.rendering.still import still

__all__ = [
    "Assembly",
    "CheckReport",
    "ChunkResult",
    "Comparison",
    "Finding",
    "HfdaskError",
    "Observer",
    "Plan",
    "PrepareWorker",
    "Render",
    "RenderConfig",
    "RenderResult",
    "Verification",
    "__version__",
    "assemble",
    "check",
    "close_browsers",
    "compare",
    "plan",
    "render",
    "render_chunk",
    "still",
    "submit",
    "verify",
]
