"""Results of a sweep over chunk sizes, workers and qualities: tables, plots, a recommendation, and JSON to compare with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from statistics import median
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from hfdask.config import Quality
from hfdask.core.fields import Count, Line, Seconds
from hfdask.core.model import decode, pretty_json
from hfdask.core.tables import html_table
from hfdask.core.values import Value
from hfdask.diagnostics.cost_model import CostModel, TrialChunk
from hfdask.errors import InvalidConfigError
from hfdask.views.extras import needed

NEARLY = 0.05
"""Times that differ by less than this share count as equal in a recommendation: they would not repeat."""

THRESHOLD = 0.2
"""Share by which a combination may be slower than in an earlier benchmark."""

Combination = tuple[str, int, int]
"""Quality, number of chunks at a time, and frames of a chunk (0 if hfdask chose them)."""


class Trial(Value, frozen=True):
    """One render of all chunks of a video.

    Attributes
    ----------
    chunk_size : int or None
        Frames of a chunk; None if hfdask chose them.
    workers : int
        Chunks at a time.
    quality : {"looks", "standard", "draft", "high"}
        Encoder preset.
    turn : int
        Round of the sweep. In round 0 all browsers are closed before each trial.
    wall_seconds : float
        From the submission of the first chunk to the result of the last.
    cpu_seconds, bytes_moved : float, int
        As in `hfdask.Cost`, without the finished video.
    chunks : tuple of TrialChunk
        What the chunks did.
    cold : bool
        True if a browser was started for one of the chunks.
    worker_seconds : float
        Wall seconds of all chunks together.
    """

    chunk_size: Annotated[int, Meta(ge=1)] | None
    workers: Annotated[int, Meta(ge=1)]
    quality: Quality
    turn: Count
    wall_seconds: Seconds
    cpu_seconds: Seconds
    bytes_moved: Count
    chunks: tuple[TrialChunk, ...]

    @property
    def cold(self) -> bool:
        return any(chunk.cold for chunk in self.chunks)

    @property
    def worker_seconds(self) -> float:
        return sum(chunk.seconds for chunk in self.chunks)

    @property
    def combination(self) -> Combination:
        return self.quality, self.workers, self.chunk_size or 0

    def row(self) -> dict[str, Any]:
        """Return a flat dictionary for a table."""
        return {
            "quality": self.quality,
            "workers": self.workers,
            "chunk_size": self.chunk_size,
            "turn": self.turn,
            "cold": self.cold,
            "chunks": len(self.chunks),
            "wall_seconds": round(self.wall_seconds, 4),
            "worker_seconds": round(self.worker_seconds, 4),
            "cpu_seconds": round(self.cpu_seconds, 4),
            "longest_chunk": max(chunk.seconds for chunk in self.chunks),
            "bytes_moved": self.bytes_moved,
        }


class Recommendation(Value, frozen=True):
    """The chunk size to take for a quality and a number of workers (None: leave it to hfdask), and the ``reason``."""

    quality: Quality
    workers: Count
    chunk_size: int | None
    reason: str


class Difference(Value, frozen=True):
    """A combination in two benchmarks: median warm wall seconds before and now, and if it became slower than allowed."""

    quality: Quality
    workers: Count
    chunk_size: int | None
    before: Seconds
    now: Seconds
    slower: bool

    @property
    def ratio(self) -> float:
        return self.now / self.before if self.before else float("inf")

    def __str__(self) -> str:
        named = _named((self.quality, self.workers, self.chunk_size or 0))
        return f"{named}: {self.before:.2f} s before, {self.now:.2f} s now, x {self.ratio:.2f}"


class Benchmark(Value, frozen=True):
    """The result of `hfdask.sweep`.

    Attributes
    ----------
    format : str
        Kind and version of the document.
    project : str
        What was rendered.
    frames : int
        Frames of the video.
    machine : dict of str to str
        Versions and processors of the machine that measured.
    trials : tuple of Trial
        All renders, in the order in which they were made.
    models : tuple of CostModel
        A model for each quality and number of workers.
    """

    LIMIT: ClassVar[int] = 2**26

    project: str
    frames: Count
    machine: dict[str, Line]
    trials: Annotated[tuple[Trial, ...], Meta(min_length=1)]
    models: tuple[CostModel, ...]
    format: Literal["hfdask-benchmark-1"] = "hfdask-benchmark-1"

    @classmethod
    def of(cls, project: str, frames: int, machine: dict[str, str], trials: Sequence[Trial]) -> Benchmark:
        """Fit the models to trials."""
        return cls(
            project=project,
            frames=frames,
            machine=machine,
            trials=tuple(trials),
            models=tuple(
                CostModel.fit(workers, quality, [chunk for trial in some for chunk in trial.chunks])
                for (quality, workers), some in _grouped(trials, lambda trial: trial.combination[:2])
            ),
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat dictionary for each trial."""
        return [trial.row() for trial in self.trials]

    @property
    def table(self) -> Any:
        """The rows as a `pandas.DataFrame`; without pandas, as a list of dictionaries."""
        try:
            import pandas
        except ImportError:
            return self.rows()
        return pandas.DataFrame(self.rows())

    def summary(self) -> list[dict[str, Any]]:
        """Return one flat dictionary for each combination, with medians over its warm and its cold trials."""
        return [
            {
                "quality": combination[0],
                "workers": combination[1],
                "chunk_size": combination[2] or None,
                "chunks": len(some[0].chunks),
                "warm_seconds": _median(trial.wall_seconds for trial in some if not trial.cold),
                "cold_seconds": _median(trial.wall_seconds for trial in some if trial.cold),
                "worker_seconds": _median(trial.worker_seconds for trial in some),
                "cpu_seconds": _median(trial.cpu_seconds for trial in some),
            }
            for combination, some in _grouped(self.trials, lambda trial: trial.combination)
        ]

    @property
    def recommendations(self) -> tuple[Recommendation, ...]:
        """A chunk size for each quality and number of workers.

        It is the fastest one, by the median of the warm trials. Sizes that take at most 5 % longer count as equally
        fast: of these hfdask's own choice is taken, else the size with the fewest worker seconds.
        """
        return tuple(
            self._recommendation(quality, workers, some)
            for (quality, workers), some in _grouped(self.trials, lambda trial: trial.combination[:2])
        )

    def _recommendation(self, quality: Quality, workers: int, trials: Sequence[Trial]) -> Recommendation:
        warm = [trial for trial in trials if not trial.cold] or trials
        by_size = {size: some for (_, _, size), some in _grouped(warm, lambda trial: trial.combination)}
        wall = {size: median(trial.wall_seconds for trial in some) for size, some in by_size.items()}
        work = {size: median(trial.worker_seconds for trial in some) for size, some in by_size.items()}
        fastest = min(wall.values())
        equal = [size for size in wall if wall[size] <= (1 + NEARLY) * fastest]
        best = 0 if 0 in equal else min(equal, key=lambda size: work[size])
        model = next(each for each in self.models if (each.quality, each.workers) == (quality, workers))
        slowest = max(wall, key=lambda size: wall[size])
        others = [_size(size) for size in equal if size != best]
        reason = f"{_size(best)} took {wall[best]:.2f} s, {_size(slowest)} {wall[slowest]:.2f} s"
        if others:
            why = "needs no option" if best == 0 else f"takes the fewest worker seconds ({work[best]:.1f})"
            reason += f"; {', '.join(others)} took nearly as long, but {_size(best)} {why}"
        if model.frame + model.changed_frame > 0:
            frames = model.chunk / (model.frame + model.changed_frame)
            reason += f"; a chunk costs as much as {frames:.0f} frames that change, besides its own"
        return Recommendation(quality=quality, workers=workers, chunk_size=best or None, reason=reason)

    def against(self, earlier: Benchmark, threshold: float = THRESHOLD) -> tuple[Difference, ...]:
        """Compare with an earlier benchmark of the same project, by the median warm wall seconds of each combination.

        Parameters
        ----------
        earlier : Benchmark
            What to compare with.
        threshold : float
            Share by which a combination may be slower, such as 0.2.

        Raises
        ------
        InvalidConfigError
            If the two have no combination in common, or videos of different length.
        """
        if threshold < 0:
            raise InvalidConfigError(f"threshold must be at least 0, not {threshold}", field="threshold")
        if earlier.frames != self.frames:
            raise InvalidConfigError(
                f"the earlier benchmark is of a video of {earlier.frames} frames, the new benchmark of {self.frames}",
                field="against",
            )
        before, now = earlier._warm(), self._warm()
        common = [combination for combination in now if combination in before]
        if not common:
            raise InvalidConfigError(
                "the earlier benchmark has no chunk size, number of workers and quality in common with the new one",
                field="against",
            )
        return tuple(
            Difference(
                quality=each[0],
                workers=each[1],
                chunk_size=each[2] or None,
                before=before[each],
                now=now[each],
                slower=now[each] > (1 + threshold) * before[each],
            )
            for each in common
        )

    def _warm(self) -> dict[tuple[Quality, int, int], float]:
        return {
            combination: median(trial.wall_seconds for trial in some)
            for combination, some in _grouped(
                (each for each in self.trials if not each.cold), lambda each: each.combination
            )
        }

    def plot(self) -> Any:
        """Draw wall seconds by chunk size, and the seconds of chunks against the cost model, as a figure that notebooks show.

        Raises
        ------
        MissingExtraError
            Without matplotlib.
        """
        needed("matplotlib.figure")
        from hfdask.views.plots import Plot

        figure = Plot(figsize=(10, 3.6), layout="constrained")
        sizes, chunks = figure.subplots(1, 2)
        for (quality, workers), some in _grouped(self.trials, lambda trial: trial.combination[:2]):
            warm = [trial for trial in some if not trial.cold] or some
            spots = sorted((_frames(trial), trial.wall_seconds) for trial in warm)
            middle = [
                (frames, median(wall for _, wall in each)) for frames, each in groupby(spots, lambda spot: spot[0])
            ]
            (line,) = sizes.plot(*zip(*middle, strict=True), "o-", label=f"{quality}, {workers} at a time")
            sizes.plot(*zip(*spots, strict=True), ".", color=line.get_color(), alpha=0.4)
            model = next(each for each in self.models if (each.quality, each.workers) == (quality, workers))
            points = [(chunk, model) for trial in some for chunk in trial.chunks]
            chunks.plot(
                [each.seconds(chunk.frames, chunk.changed, cold=chunk.cold) for chunk, each in points],
                [chunk.seconds for chunk, _ in points],
                ".",
                color=line.get_color(),
                label=f"{quality}, {workers} at a time: error {model.error:.0%}",
            )
        sizes.set(title="All chunks, browsers running", xlabel="frames of a chunk", ylabel="wall seconds")
        sizes.set_ylim(bottom=0)
        most = max(chunk.seconds for trial in self.trials for chunk in trial.chunks)
        chunks.plot([0, most], [0, most], color="gray", linewidth=1)
        chunks.set(
            title="Each chunk", xlabel="seconds by the cost model", ylabel="seconds", xlim=(0, None), ylim=(0, None)
        )
        for axes in (sizes, chunks):
            axes.legend(frameon=False, fontsize="small")
        return figure

    def to_json(self) -> str:
        """Return the whole benchmark as JSON, for `from_json` and ``hfdask bench --against``."""
        return pretty_json(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Benchmark:
        """Read a benchmark.

        Raises
        ------
        PlanCorruptError
            If the text is not a benchmark.
        """
        return decode(text.encode() if isinstance(text, str) else text, cls, "the benchmark")

    def __str__(self) -> str:
        lines = [f"{len(self.trials)} trials of {self.project}, {self.frames} frames"]
        lines += [str(model) for model in self.models]
        lines += [
            f"{each.workers} at a time, {each.quality}: {_advice(each.chunk_size)}: {each.reason}"
            for each in self.recommendations
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = self.summary()
        cells = [[_cell(value) for value in row.values()] for row in rows]
        return html_table([list(rows[0]), *cells, *([line] for line in str(self).splitlines())], self.project)


def _grouped(trials: Iterable[Trial], key: Any) -> Iterator[tuple[Any, list[Trial]]]:
    """Group trials, also if they are not next to each other, in the order of the first of each."""
    found: dict[Any, list[Trial]] = {}
    for trial in trials:
        found.setdefault(key(trial), []).append(trial)
    yield from found.items()


def _median(values: Iterable[float]) -> float | None:
    known = list(values)
    return round(median(known), 4) if known else None


def _frames(trial: Trial) -> int:
    return trial.chunk_size or round(sum(chunk.frames for chunk in trial.chunks) / len(trial.chunks))


def _size(size: int) -> str:
    return f"chunk_size={size}" if size else "hfdask's own size"


def _advice(size: int | None) -> str:
    return f"take chunk_size={size}" if size else "leave chunk_size to hfdask"


def _named(combination: Combination) -> str:
    quality, workers, size = combination
    return f"{quality}, {workers} at a time, {_size(size)}"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
