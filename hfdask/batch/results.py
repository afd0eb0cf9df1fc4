"""Results of rows, and a log of them that does not grow in memory."""

from __future__ import annotations

import threading
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from hfdask.core.fields import MAX_PATH, MAX_TEXTS, Text
from hfdask.core.scratch import nameless_file
from hfdask.core.values import Value, built
from hfdask.errors import InvalidConfigError

Status = Literal["rendered", "reused", "copied", "failed"]

_Hex = Annotated[str, Meta(pattern=r"^[0-9a-f]*\Z", max_length=64)]
_Count = Annotated[int, Meta(ge=0)]
_Seconds = Annotated[float, Meta(ge=0)]

COLUMNS = (
    *("row", "output", "status", "frames", "seconds", "worker_seconds", "bytes", "digest"),
    *("code", "message", "worker", "warnings"),
)
"""Columns of the table of results."""


class RowResult(Value, frozen=True):
    """The end of a row of a batch; also a line of the manifest.

    Attributes
    ----------
    row : int
        Number of the row, from 0.
    output : str
        The video.
    status : {"rendered", "reused", "copied", "failed"}
        ``reused``: an earlier run of the batch has made the video. ``copied``: an earlier row has the same values.
    frames : int
        Frames of the video. 0 if the row failed.
    seconds : float
        Wall seconds from the start of the row on a worker to its end. 0 if it was not rendered.
    worker_seconds : float
        Seconds that the row kept workers busy, summed over its tasks.
    bytes : int
        Size of the video.
    digest : str
        Digest of all frame digests, as `RenderResult.digest`.
    code, message : str
        The error. Empty if there is none.
    worker : str
        Address of the worker. Empty if several workers rendered the video, or none.
    warnings : tuple of str
        Warnings of planning and of the page.
    sha256 : str
        Of the video's file, if it is on a disk. Empty in other stores, which give whole files or none.
    key, project : str
        Digests of the row's values and options, and of the project.
    """

    row: _Count
    output: Annotated[str, Meta(max_length=2 * MAX_PATH)]
    status: Status
    frames: _Count = 0
    seconds: _Seconds = 0.0
    worker_seconds: _Seconds = 0.0
    bytes: _Count = 0
    digest: _Hex = ""
    code: Annotated[str, Meta(max_length=100)] = ""
    message: Text = ""
    worker: Annotated[str, Meta(max_length=500)] = ""
    warnings: Annotated[tuple[Text, ...], Meta(max_length=MAX_TEXTS)] = ()
    sha256: _Hex = ""
    key: _Hex = ""
    project: _Hex = ""

    @property
    def failed(self) -> bool:
        """True if there is no video of the row."""
        return self.status == "failed"

    def to_row(self) -> dict[str, Any]:
        """Return the columns of the table of results; ``warnings`` is their number."""
        return {name: getattr(self, name) for name in COLUMNS} | {"warnings": len(self.warnings)}


class ResultLog:
    """The results of a batch so far, in a file without a name. Any thread may read it.

    Parameters
    ----------
    rows : int
        Rows of the batch.
    """

    def __init__(self, rows: int) -> None:
        self.counts: Counter[str] = Counter()
        self.frames = 0
        self._file = nameless_file(self)
        self._places = array("q", [-1]) * rows
        self._end = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self.counts.total()

    def append(self, result: RowResult) -> None:
        """Add the result of a row."""
        line = msgspec.json.encode(result) + b"\n"
        with self._lock:
            self._file.write(line)
            self._places[result.row] = self._end
            self._end += len(line)
            self.counts[result.status] += 1
            self.frames += result.frames if not result.failed else 0

    def of(self, row: int) -> RowResult | None:
        """Return the result of a row; None if it has not ended."""
        with self._lock:
            place = self._places[row]
            return None if place < 0 else self._at(place)[0]

    def after(self, place: int) -> tuple[RowResult | None, int]:
        """Return the first result at or behind a place, and the place of the next one; begin with 0."""
        with self._lock:
            return (None, place) if place >= self._end else self._at(place)

    def in_order(self) -> Iterator[RowResult]:
        """Yield the results so far, by row."""
        for row in range(len(self._places)):
            if (result := self.of(row)) is not None:
                yield result

    def _at(self, place: int) -> tuple[RowResult, int]:
        self._file.seek(place)
        line = self._file.readline()
        self._file.seek(self._end)
        return msgspec.json.decode(line, type=built(RowResult)), place + len(line)


def data_frame(results: Iterable[RowResult]) -> Any:
    """Return results as a pandas DataFrame, a row for each.

    Raises
    ------
    InvalidConfigError
        If pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise InvalidConfigError(
            "a table of results needs pandas: pip install 'hfdask[batch]', or take Batch.results()", field="result"
        ) from error
    return pandas.DataFrame([each.to_row() for each in results], columns=list(COLUMNS))
