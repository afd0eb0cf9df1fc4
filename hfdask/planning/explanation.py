"""Explain the chunks of a plan: their expected costs, and the time that they may take."""

from __future__ import annotations

from msgspec import Struct

from hfdask.core.costs import expected_end, first_to_last
from hfdask.core.forks import worked
from hfdask.core.model import ChunkRange, Sweep, decode
from hfdask.errors import MissingArtifactError, PlanCorruptError
from hfdask.manifest.location import SWEEP
from hfdask.manifest.plan import Plan
from hfdask.planning.costs import costs_in


class ExplainedChunk(Struct, frozen=True):
    """A chunk of a plan, as planning expects it.

    Attributes
    ----------
    chunk : ChunkRange
        Its frames.
    turn : int
        Its place in the order in which chunks begin, from 0.
    share : float
        Its part of the cost of all chunks, from 0 to 1.
    seconds : float or None
        Seconds that it may take, at the speed of planning; None if planning took no pictures.
    """

    chunk: ChunkRange
    turn: int
    share: float
    seconds: float | None


class Explanation(Struct, frozen=True):
    """The reason for the ranges of a plan's chunks, and what each is expected to cost.

    Attributes
    ----------
    split : str
        How the frames were split, and why; empty if the plan was only opened.
    chunks : tuple of ExplainedChunk
        In the order of the video. Empty if planning did not go through the timeline, so that no cost is known.
    """

    split: str
    chunks: tuple[ExplainedChunk, ...]

    def seconds(self, workers: int) -> float | None:
        """Return the seconds that all chunks may take on this number of workers; None if planning took no pictures."""
        times = [each.seconds for each in self.chunks]
        known = [time for time in times if time is not None]
        return expected_end(known, workers) if known and len(known) == len(times) else None


@worked
def explain(plan: Plan) -> Explanation:
    """Explain how a plan's frames were split into chunks.

    Seconds come from planning: a picture that it took, with the seek before it, against the cost of that frame. They
    show which chunks are dear, on this machine as busy as it was. `hfdask.estimate` captures frames, and is exact to
    a fifth or so.

    Raises
    ------
    StoreError, StoreRefusedError
    """
    chunks = plan.manifest.chunks
    total = sum(chunk.cost for chunk in chunks)
    if not total:
        return Explanation(plan.split, ())
    turns = {index: turn for turn, index in enumerate(first_to_last([chunk.cost for chunk in chunks]))}
    unit = _seconds_of_a_unit(plan)
    return Explanation(
        plan.split,
        tuple(
            ExplainedChunk(chunk, turns[chunk.index], chunk.cost / total, None if unit is None else unit * chunk.cost)
            for chunk in chunks
        ),
    )


def _seconds_of_a_unit(plan: Plan) -> float | None:
    """Return the seconds that planning took for a unit of cost in the frames of which it took pictures."""
    try:
        sweep = decode(plan.location.store().read(SWEEP), Sweep, SWEEP)
    except (MissingArtifactError, PlanCorruptError):
        return None  # it is not part of the plan
    if sweep.plan_hash != plan.hash:
        return None
    costs = costs_in(plan.manifest, sweep)
    pictures = [
        (costs[frame], seconds)
        for frame, size, moved, seconds in zip(sweep.frames, sweep.pictures, sweep.moved, sweep.seconds, strict=True)
        if size is not None and moved
    ]
    work = sum(cost for cost, _ in pictures)
    return sum(seconds for _, seconds in pictures) / work if work else None
