"""Write a video as a web page; render it on a Dask cluster.

The names in ``__all__`` and `hfdask.errors` are public; all other modules are private. They are imported when they are
first used (PEP 562), because Dask, Playwright and PyAV together take most of a second.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hfdask._version import __version__
    from hfdask.assembly.assemble import AssembleOptions, Assembly, assemble
    from hfdask.assembly.certificate import Verification
    from hfdask.batch.batch import render_batch
    from hfdask.batch.handle import Batch, BatchProgress
    from hfdask.batch.results import RowResult
    from hfdask.browser import close_browsers
    from hfdask.browser.install import install_browser
    from hfdask.browser.starting import start_browser
    from hfdask.checking.check import CheckReport, check
    from hfdask.cluster.graph import delayed_chunks
    from hfdask.cluster.handle import Progress, Render
    from hfdask.cluster.pictures import newest_pictures
    from hfdask.cluster.plugin import PrepareWorker
    from hfdask.cluster.render import render, submit
    from hfdask.cluster.scheduler import connect
    from hfdask.config import JobConfig, PlanOptions, RenderConfig, RenderOptions
    from hfdask.core.model import (
        Artifact,
        ChunkRange,
        Clip,
        EncoderSettings,
        Environment,
        Font,
        FontSet,
        Manifest,
        PageSettings,
        Rate,
        Resource,
        Sweep,
        Timeline,
        Video,
        VideoIndex,
    )
    from hfdask.core.observer import Observer
    from hfdask.core.planes import ColorSpace
    from hfdask.core.results import ChunkResult, Cost, Finding, FrameRecord, RenderResult, Seam
    from hfdask.core.sizes import Scale
    from hfdask.core.sound import PlannedSound, SoundReport, SoundSource
    from hfdask.core.video_clip import RatePoint, VideoClip
    from hfdask.core.video_source import Ratio, TimeBase, VideoSource
    from hfdask.dashboard.plugin import show_dashboard
    from hfdask.diagnostics.benchmark import Benchmark, Difference, Recommendation, Trial
    from hfdask.diagnostics.cost_model import CostModel, TrialChunk
    from hfdask.diagnostics.doctor import Diagnosis, diagnose
    from hfdask.diagnostics.fleet import FleetReport, survey
    from hfdask.diagnostics.sweep import sweep
    from hfdask.errors import HfdaskError
    from hfdask.fonts.install import install_fonts
    from hfdask.formats.compare import compare
    from hfdask.manifest.plan import Plan
    from hfdask.manifest.records import frame_record
    from hfdask.media.captured import Picture
    from hfdask.media.compare import Comparison
    from hfdask.planning.explanation import ExplainedChunk, Explanation, explain
    from hfdask.planning.planning import plan
    from hfdask.rendering.chunk import render_chunk
    from hfdask.rendering.estimate import Estimate, estimate
    from hfdask.rendering.sheet import contact_sheet
    from hfdask.rendering.still import still
    from hfdask.rendering.verify import verify
    from hfdask.text import legible
    from hfdask.views.perf import Perf

_HOMES = {
    "_version": ["__version__"],
    "assembly.assemble": ["AssembleOptions", "Assembly", "assemble"],
    "assembly.certificate": ["Verification"],
    "batch.batch": ["render_batch"],
    "batch.handle": ["Batch", "BatchProgress"],
    "batch.results": ["RowResult"],
    "browser": ["close_browsers"],
    "browser.install": ["install_browser"],
    "browser.starting": ["start_browser"],
    "checking.check": ["CheckReport", "check"],
    "cluster.graph": ["delayed_chunks"],
    "cluster.handle": ["Progress", "Render"],
    "cluster.pictures": ["newest_pictures"],
    "cluster.plugin": ["PrepareWorker"],
    "cluster.render": ["render", "submit"],
    "cluster.scheduler": ["connect"],
    "config": ["JobConfig", "PlanOptions", "RenderConfig", "RenderOptions"],
    "core.model": [
        "Artifact",
        "ChunkRange",
        "Clip",
        "EncoderSettings",
        "Environment",
        "Font",
        "FontSet",
        "Manifest",
        "PageSettings",
        "Rate",
        "Resource",
        "Sweep",
        "Timeline",
        "Video",
        "VideoIndex",
    ],
    "core.observer": ["Observer"],
    "core.planes": ["ColorSpace"],
    "core.results": ["ChunkResult", "Cost", "Finding", "FrameRecord", "RenderResult", "Seam"],
    "core.sizes": ["Scale"],
    "core.sound": ["PlannedSound", "SoundReport", "SoundSource"],
    "core.video_clip": ["RatePoint", "VideoClip"],
    "core.video_source": ["Ratio", "TimeBase", "VideoSource"],
    "dashboard.plugin": ["show_dashboard"],
    "diagnostics.benchmark": ["Benchmark", "Difference", "Recommendation", "Trial"],
    "diagnostics.cost_model": ["CostModel", "TrialChunk"],
    "diagnostics.doctor": ["Diagnosis", "diagnose"],
    "diagnostics.fleet": ["FleetReport", "survey"],
    "diagnostics.sweep": ["sweep"],
    "errors": ["HfdaskError"],
    "fonts.install": ["install_fonts"],
    "formats.compare": ["compare"],
    "manifest.plan": ["Plan"],
    "manifest.records": ["frame_record"],
    "media.captured": ["Picture"],
    "media.compare": ["Comparison"],
    "planning.explanation": ["ExplainedChunk", "Explanation", "explain"],
    "planning.planning": ["plan"],
    "rendering.chunk": ["render_chunk"],
    "rendering.estimate": ["Estimate", "estimate"],
    "rendering.sheet": ["contact_sheet"],
    "rendering.still": ["still"],
    "rendering.verify": ["verify"],
    "text": ["legible"],
    "views.perf": ["Perf"],
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Artifact",
    "AssembleOptions",
    "Assembly",
    "Batch",
    "BatchProgress",
    "Benchmark",
    "CheckReport",
    "ChunkRange",
    "ChunkResult",
    "Clip",
    "ColorSpace",
    "Comparison",
    "Cost",
    "CostModel",
    "Diagnosis",
    "Difference",
    "EncoderSettings",
    "Environment",
    "Estimate",
    "ExplainedChunk",
    "Explanation",
    "Finding",
    "FleetReport",
    "Font",
    "FontSet",
    "FrameRecord",
    "HfdaskError",
    "JobConfig",
    "Manifest",
    "Observer",
    "PageSettings",
    "Perf",
    "Picture",
    "Plan",
    "PlanOptions",
    "PlannedSound",
    "PrepareWorker",
    "Progress",
    "Rate",
    "RatePoint",
    "Ratio",
    "Recommendation",
    "Render",
    "RenderConfig",
    "RenderOptions",
    "RenderResult",
    "Resource",
    "RowResult",
    "Scale",
    "Seam",
    "SoundReport",
    "SoundSource",
    "Sweep",
    "TimeBase",
    "Timeline",
    "Trial",
    "TrialChunk",
    "Verification",
    "Video",
    "VideoClip",
    "VideoIndex",
    "VideoSource",
    "__version__",
    "assemble",
    "check",
    "close_browsers",
    "compare",
    "connect",
    "contact_sheet",
    "delayed_chunks",
    "diagnose",
    "errors",
    "estimate",
    "explain",
    "frame_record",
    "install_browser",
    "install_fonts",
    "legible",
    "newest_pictures",
    "plan",
    "render",
    "render_batch",
    "render_chunk",
    "show_dashboard",
    "start_browser",
    "still",
    "submit",
    "survey",
    "sweep",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name == "errors":
        return import_module("hfdask.errors")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"hfdask.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
