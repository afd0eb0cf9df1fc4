"""Numbers and tables of a contest of renderers: medians, ratios in pairs, geometric means, and who used the CPU.

Absolute seconds of one machine at one hour say little, so ratios are formed of runs of the same round, before their
median is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

from measure import Run

BEGIN, END = "<!-- begin of what benchmarks/peer.py wrote -->", "<!-- end of what benchmarks/peer.py wrote -->"

SHOWN_SHARE = 0.05
"""Share of some render's CPU from which on a kind of process has its own column."""

MEASURES: dict[str, Callable[[Run], float]] = {
    "wall": lambda run: run.usage.wall,
    "CPU": lambda run: run.usage.cpu,
    "memory": lambda run: run.usage.memory,
    "size": lambda run: run.size,
}
"""Numbers of which ratios are formed: seconds, CPU seconds of the whole tree, bytes of its greatest PSS, bytes of the file."""


@dataclass(frozen=True)
class Agreement:
    """The difference of two renderers' pictures of a project; PSNR is None if all frames are equal or there is an ``error``."""

    mean_psnr: float | None = None
    min_psnr: float | None = None
    mean_ssim: float | None = None
    worst_frame: int | None = None
    frames_ours: int = 0
    frames_peer: int = 0
    identical: bool = False
    error: str = ""

    @property
    def lengths(self) -> str:
        """Both counts of frames, or one if they are equal."""
        if self.frames_ours == self.frames_peer:
            return str(self.frames_ours)
        return f"{self.frames_ours} / {self.frames_peer}"

    @property
    def psnr(self) -> str:
        if self.error:
            return self.error
        return "equal" if self.identical else f"{self.mean_psnr:.1f}"

    @property
    def ssim(self) -> str:
        return "-" if self.mean_ssim is None else f"{self.mean_ssim:.4f}"


@dataclass(frozen=True)
class Contest:
    """All that was measured; ``renderers`` begins with ours, ``shows`` describes each project.

    ``agreements`` has a dictionary by peer for each project.
    """

    machine: str
    date: str
    load: float
    renderers: dict[str, str]
    shows: dict[str, str]
    runs: list[Run] = field(default_factory=list)
    agreements: dict[str, dict[str, Agreement]] = field(default_factory=dict)

    @property
    def ours(self) -> str:
        return next(iter(self.renderers))

    @property
    def peers(self) -> list[str]:
        return list(self.renderers)[1:]

    @property
    def rounds(self) -> int:
        return max((run.turn for run in self.runs), default=-1) + 1

    def of(self, project: str, who: str) -> list[Run]:
        """Return the successful runs of a renderer on a project."""
        return [run for run in self.runs if run.label == project and run.who == who and not run.error]

    def middle(self, project: str, who: str, measure: str) -> float | None:
        """Return the median of a measure; None without a successful run."""
        values = [MEASURES[measure](run) for run in self.of(project, who)]
        return median(values) if values else None

    def ratio(self, project: str, peer: str, measure: str) -> float | None:
        """Return the median of ours / peer over the rounds in which both succeeded; None if there is none."""
        read = MEASURES[measure]
        theirs = {run.turn: read(run) for run in self.of(project, peer)}
        pairs = [read(run) / theirs[run.turn] for run in self.of(project, self.ours) if theirs.get(run.turn)]
        return median(pairs) if pairs else None

    def mean_ratio(self, peer: str, measure: str) -> float | None:
        """Return the geometric mean of the ratios of all projects; None if there are none."""
        ratios = [ratio for project in self.shows if (ratio := self.ratio(project, peer, measure))]
        return geometric_mean(ratios) if ratios else None

    def kinds(self, project: str, who: str) -> dict[str, float]:
        """Return the median CPU seconds of each kind of process, and of time that no sample saw as ``unseen``."""
        runs = self.of(project, who)
        names = dict.fromkeys(kind for run in runs for kind in run.usage.cpu_by_kind)
        sums = {name: median(run.usage.cpu_by_kind.get(name, 0.0) for run in runs) for name in names}
        if runs:
            sums["unseen"] = median(run.usage.cpu - sum(run.usage.cpu_by_kind.values()) for run in runs)
        return sums

    def stages(self, project: str) -> dict[str, float]:
        """Return the median seconds of each stage of ours."""
        runs = self.of(project, self.ours)
        names = dict.fromkeys(stage for run in runs for stage in run.stages)
        return {name: median(run.stages.get(name, 0.0) for run in runs) for name in names}


def markdown(contest: Contest, note: str = "") -> str:
    """Describe a contest in Markdown: a table for each peer, then who used the CPU, and our stages."""
    return "\n\n".join("\n".join(lines) for lines in _parts(contest, note))


def _parts(contest: Contest, note: str) -> Iterator[list[str]]:
    failed = [run for run in contest.runs if run.error]
    yield [
        f"Measured {contest.date} on {contest.machine}, in {contest.rounds} round{'s' * (contest.rounds > 1)}; the load average was {contest.load:.1f} before"
        " the first. Numbers are medians, and in brackets the ratio ours / peer, the median of pairs of the same round.",
        *([note] if note else []),
        "",
        *(f"- {name}: `{command}`" for name, command in contest.renderers.items()),
        *(f"- round {run.turn + 1} of {run.label} by {run.who} failed" for run in failed),
    ]
    for peer in contest.peers:
        yield _against(contest, peer)
    yield _processes(contest)
    if any(contest.stages(project) for project in contest.shows):
        yield _stages(contest)


def _against(contest: Contest, peer: str) -> list[str]:
    names = ("project", "frames", "frames/s", "wall s", "CPU s", "memory MB", "file MB", "PSNR dB", "SSIM")
    units = {"wall": (1.0, ".1f"), "CPU": (1.0, ".1f"), "memory": (1e-6, ".0f"), "size": (1e-6, ".2f")}
    rows = []
    for project, shows in contest.shows.items():
        near = contest.agreements.get(project, {}).get(peer, Agreement(error="-"))
        rates = "-"
        if near.frames_ours:
            rates = ", ".join(
                f"{frames / wall:.1f}" if (wall := contest.middle(project, who, "wall")) else "-"
                for who, frames in ((contest.ours, near.frames_ours), (peer, near.frames_peer))
            )
        cells = [
            ", ".join(_number(contest.middle(project, who, measure), factor, form) for who in (contest.ours, peer))
            + f" ({_number(contest.ratio(project, peer, measure))})"
            for measure, (factor, form) in units.items()
        ]
        rows.append([f"**{project}**: {shows}", near.lengths, rates, *cells, near.psnr, near.ssim])
    means = [f"**{_number(contest.mean_ratio(peer, measure))}**" for measure in units]
    rows.append(["geometric mean of the ratios", "", "", *means, "", ""])
    return [f"{contest.ours}, {peer}:", "", *_table(names, rows)]


def _processes(contest: Contest) -> list[str]:
    seconds = {(project, who): contest.kinds(project, who) for project in contest.shows for who in contest.renderers}
    greatest: dict[str, float] = {}
    for kinds in seconds.values():
        for kind, value in kinds.items():
            greatest[kind] = max(greatest.get(kind, 0.0), value / sum(kinds.values()))
    shown = [kind for kind, share in greatest.items() if share >= SHOWN_SHARE]
    rows = []
    for (project, who), kinds in seconds.items():
        others = sum(value for kind, value in kinds.items() if kind not in shown)
        rows.append([project, who, *(_number(kinds.get(kind), form=".1f") for kind in shown), f"{others:.1f}"])
    return ["CPU seconds by kind of process:", "", *_table(("project", "rendered by", *shown, "others"), rows)]


def _stages(contest: Contest) -> list[str]:
    names = dict.fromkeys(stage for project in contest.shows for stage in contest.stages(project))
    rows = []
    for project in contest.shows:
        seconds, wall = contest.stages(project), contest.middle(project, contest.ours, "wall")
        outside = wall - seconds["total"] if wall and "total" in seconds else None
        rows.append([project, _number(outside), *(_number(seconds.get(name)) for name in names)])
    title = (
        f"Seconds of {contest.ours} by stage. Boot, capture and encode are sums over chunks, which run side by side:"
    )
    return [title, "", *_table(("project", "outside", *names), rows)]


def replace_block(text: str, block: str) -> str:
    """Put a block between the two marks of a text.

    Raises
    ------
    ValueError
        If the marks are not there, once and in order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in after:
        raise ValueError(f"needs the lines {BEGIN} and {END}, once and in this order")
    return f"{before}{BEGIN}\n\n{block}\n\n{END}{after}"


def write_block(path: Path, block: str) -> None:
    """Replace the block of a file."""
    path.write_text(replace_block(path.read_text("utf-8"), block), "utf-8")


def finite(value: float) -> float | None:
    """Return None for infinity, which JSON does not have."""
    return value if math.isfinite(value) else None


def _number(value: float | None, factor: float = 1.0, form: str = ".2f") -> str:
    return "-" if value is None else format(value * factor, form)


def _table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (names, ["---"] * len(names), *rows)]
