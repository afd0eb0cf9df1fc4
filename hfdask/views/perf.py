"""Timings of a finished video as data frames, and as a figure."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from hfdask.core.frame_table import STATES, UNKNOWN, rows_of, unpacked
from hfdask.core.results import RenderResult
from hfdask.core.tables import chunk_row
from hfdask.manifest.records import frame_record
from hfdask.views.extras import needed

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame
else:  # neither is imported before it is used
    DataFrame = Figure = Any


class Perf:
    """Timings of a finished video, from `RenderResult.perf`. Data frames need pandas, and the figure needs matplotlib.

    A reused chunk keeps the timings of the render that made it.
    """

    def __init__(self, result: RenderResult) -> None:
        self._result = result

    @cached_property
    def chunks(self) -> DataFrame:
        """One row for each chunk, by its number.

        It has the columns of `RenderResult.to_rows`, and ``began`` and ``ended`` (UTC, by the worker's clock) and
        ``seconds``, the wall seconds between them. These are missing if the chunk's record does not have them.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        pandas = needed("pandas")
        rows = pandas.DataFrame([chunk_row(chunk) for chunk in self._result.chunks]).set_index("chunk")
        times = pandas.DataFrame(
            [(chunk.began, chunk.seconds) for chunk in self._result.chunks],
            index=rows.index,
            columns=["began", "seconds"],
        )
        times = times.where(times["began"] > 0)
        rows["began"] = pandas.to_datetime(times["began"], unit="s", utc=True)
        rows["ended"] = rows["began"] + pandas.to_timedelta(times["seconds"], unit="s")
        rows["seconds"] = times["seconds"]
        return rows

    @cached_property
    def frames(self) -> DataFrame:
        """One row for each frame, by its number.

        ``time``
            Seconds in the video.
        ``chunk``, ``worker``
            The chunk of the frame, and the worker that rendered it.
        ``state``
            ``captured`` if the picture changed; ``unchanged`` if a picture was taken, and was the same as the one before;
            ``static`` if nothing moved, so that no picture was taken.
        ``decode``, ``seek``, ``picture``
            Wall seconds of the capture: waiting for source videos, bringing the page to the frame, and testing for damage
            and taking the picture.
        ``seconds``
            Their sum.
        ``encode``
            Wall seconds of encoding, while later frames were captured.
        ``bytes``
            Bytes in the video; missing if the record does not have them.
        ``digest``
            BLAKE3 of the pixels.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        MissingArtifactError
            If the video has more than 500,000 frames, and its chunks are gone. Render with a ``plan_dir`` to keep them.
        """
        pandas, result = needed("pandas"), self._result
        rows = unpacked(result.frame_rows) if result.frame_rows else rows_of(list(map(frame_record, result.chunks)))
        numbers = pandas.RangeIndex(len(rows), name="frame")
        counts = [chunk.frames for chunk in result.chunks]
        chunks = pandas.Series([chunk.index for chunk in result.chunks]).repeat(counts)
        workers = pandas.Series([chunk.worker for chunk in result.chunks], dtype="category").repeat(counts)
        digests = rows["digest"].tobytes().hex()
        seconds = {name: rows[name].astype(float) for name in ("decode", "seek", "seconds", "encode")}
        sizes = pandas.Series(rows["size"], dtype="Int64")
        columns = {
            "time": numbers / float(result.fps.fraction),
            "chunk": chunks.array,
            "worker": workers.array,
            "state": pandas.Categorical.from_codes(rows["state"], STATES),
            "decode": seconds["decode"],
            "seek": seconds["seek"],
            "picture": seconds["seconds"] - seconds["decode"] - seconds["seek"],
            "seconds": seconds["seconds"],
            "encode": seconds["encode"],
            "bytes": sizes.mask(sizes == UNKNOWN).array,
            "digest": [digests[place : place + 32] for place in range(0, len(digests), 32)],
        }
        return pandas.DataFrame(columns, index=numbers)

    def plot(self) -> Figure:
        """Draw the timings.

        The first plot has the chunks of each worker over time, with their stages. Capture and encode run at the same
        time, so they are one above the other. The second has the cost of each frame, with a strip that shows which
        frames stood still. The third shows which part of each chunk's time is fixed, and which is for its frames.

        Returns
        -------
        matplotlib.figure.Figure
            A notebook shows it if it is the last expression of a cell; ``savefig`` writes it to a file.

        Raises
        ------
        MissingExtraError
            If pandas or matplotlib are not installed.
        MissingArtifactError
            As for `frames`.
        """
        needed("matplotlib")
        from hfdask.views.plots import figure_of

        return figure_of(self.chunks, self.frames)

    def __repr__(self) -> str:
        result = self._result
        workers = len({chunk.worker for chunk in result.chunks})
        return (
            f"<Perf of {result.output}: {len(result.chunks)} chunks on {workers} workers, {result.frames} frames; "
            "see .chunks, .frames and .plot()>"
        )
