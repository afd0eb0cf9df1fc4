"""Runs of one render each, by the package or by a command, and what is read off their records."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from process_tree import Usage, measure

RUNNER = Path(__file__).with_name("runner.py")
TAIL_LINES = 15

_PLAN = ("compile", "probe", "freeze")
_FIXED = ("materialise", "boot", "upload")


@dataclass(frozen=True)
class Case:
    """A project and how it is rendered; ``chunk_size`` is None if hfdask chooses."""

    project: Path
    workers: int
    chunk_size: int | None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.project.name

    @property
    def label(self) -> str:
        return f"{self.name}, {self.workers} workers, chunks {self.chunk_size or 'auto'}"


@dataclass(frozen=True)
class Chunk:
    """A chunk of a run: begin and end in seconds since the first chunk began, and its stages."""

    frames: int
    warm: bool
    begin: float
    end: float
    stages: dict[str, float]

    @property
    def wall(self) -> float:
        return self.end - self.begin

    @property
    def fixed(self) -> float:
        """Seconds in its record besides capturing and encoding."""
        return sum(self.stages.get(stage, 0.0) for stage in _FIXED)


@dataclass(frozen=True)
class Run:
    """One render: its cost, its output, and for ours its records. ``error`` is empty if it succeeded."""

    who: str
    label: str
    turn: int
    usage: Usage
    size: int = 0
    frames: int = 0
    static_frames: int = 0
    stages: dict[str, float] = field(default_factory=dict)
    chunks: tuple[Chunk, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Renderer:
    """A renderer: a command with the placeholders ``{project}`` and ``{output}``."""

    name: str
    command: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, name: str) -> Renderer:
        """Read ``COMMAND`` or ``NAME=COMMAND``; ``name`` is for commands without one."""
        named = re.match(r"([A-Za-z0-9_.-]+)=(.*)", text, re.DOTALL)
        name, command = named.groups() if named else (name, text)
        parts = tuple(shlex.split(command))
        if not any("{project}" in part for part in parts) or not any("{output}" in part for part in parts):
            raise ValueError(f"{text!r} needs the placeholders {{project}} and {{output}}")
        return cls(name, parts)

    @property
    def shown(self) -> str:
        """The command for a report, without folders of this machine."""
        return " ".join(Path(part).name if part.startswith("/") else part for part in self.command)

    def run(self, project: Path, output: Path, turn: int, timeout: float) -> Run:
        """Render a project. If the command prints hfdask's JSON, the run has its frames and stages."""
        output.unlink(missing_ok=True)
        command = [part.replace("{project}", str(project)).replace("{output}", str(output)) for part in self.command]
        try:
            usage = measure(command, timeout=timeout)
        except OSError as failure:
            nothing = Usage(127, False, 0, 0, 0, 0, 0, "pss", 0, 0, 0, 0, "", str(failure))
            return Run(self.name, project.name, turn, nothing, error=str(failure))
        error = _error(usage, output)
        told = {} if error else _result_in(usage.out)
        return Run(
            who=self.name,
            label=project.name,
            turn=turn,
            usage=replace(usage, out=usage.out if error else ""),
            size=0 if error else output.stat().st_size,
            frames=told.get("frames", 0),
            static_frames=told.get("static_frames", 0),
            stages=told.get("stages", {}),
            error=error,
        )


def run_ours(case: Case, output: Path, turn: int, timeout: float) -> Run:
    """Render a case in a fresh process."""
    options = {**case.options, **({"chunk_size": case.chunk_size} if case.chunk_size else {})}
    job = {"project": str(case.project), "output": str(output), "workers": case.workers, "options": options}
    output.unlink(missing_ok=True)
    usage = measure([sys.executable, str(RUNNER), json.dumps(job)], timeout=timeout)
    error = _error(usage, output)
    if error:
        return Run("hfdask", case.label, turn, usage, error=error)
    answer = json.loads(usage.out)
    result = answer["result"]
    return Run(
        who="hfdask",
        label=case.label,
        turn=turn,
        usage=replace(usage, out=""),
        size=result["size"],
        frames=result["frames"],
        static_frames=result["static_frames"],
        stages=_stages(result["stages"], usage.wall),
        chunks=tuple(
            _chunk(record, answer["spans"][str(record["index"])])
            for record in result["chunks"]
            if str(record["index"]) in answer["spans"]
        ),
    )


def _result_in(out: str) -> dict[str, Any]:
    """Return the document that `hfdask render --json` printed; empty if the output is anything else."""
    try:
        document = json.loads(out)
    except ValueError:
        return {}
    return document if isinstance(document, dict) and "stages" in document else {}


def _chunk(record: dict[str, Any], span: Sequence[float]) -> Chunk:
    return Chunk(record["end"] - record["start"], record["warm"], span[0], span[1], record["stages"])


def _stages(stages: dict[str, float], wall: float) -> dict[str, float]:
    """Chunk stages are sums over chunks; ``start`` is the interpreter, the imports and the embedded cluster."""
    plan = sum(stages.get(name, 0.0) for name in _PLAN)
    return {"start": wall - stages["total"], "plan": plan, **stages}


def _error(usage: Usage, output: Path) -> str:
    tail = "\n".join((usage.out + usage.err).strip().splitlines()[-TAIL_LINES:])
    if usage.timed_out:
        return f"timed out after {usage.wall:.0f} s\n{tail}"
    if usage.status:
        return f"exit status {usage.status}\n{tail}"
    return "" if output.is_file() else f"no output\n{tail}"


def busy_seconds(chunks: Sequence[Chunk]) -> float:
    """Wall seconds in which at least one chunk was capturing or encoding: its time less what came before and after."""
    spans = sorted(
        (c.begin + c.stages.get("materialise", 0.0) + c.stages.get("boot", 0.0), c.end - c.stages.get("upload", 0.0))
        for c in chunks
    )
    total, reached = 0.0, 0.0
    for begin, end in spans:
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def intercept(chunks: Sequence[Chunk]) -> tuple[float, float] | None:
    """Seconds of a chunk of no frames, and of a further frame, by least squares; None for chunks of one size only.

    The intercept holds all that does not grow with the frames, the frame before the chunk included.
    """
    if len({chunk.frames for chunk in chunks}) < 2:
        return None
    slope, fixed = np.polyfit([chunk.frames for chunk in chunks], [chunk.wall for chunk in chunks], 1)
    return float(fixed), float(slope)
