"""The manifest of a batch: a JSONL file beside the outputs, with a line for each row that has ended.

A local file grows by a line, which is on the disk before the row counts as done. Object stores cannot append. There, new lines
go to small files in a folder, ``<manifest>.parts/``, every few seconds, and at the end of the batch into one file. Reading
takes the file and the parts; the last line about an output counts.
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from hfdask.batch.results import RowResult
from hfdask.core.scratch import scratch_folder
from hfdask.core.values import built
from hfdask.errors import InvalidConfigError, MissingArtifactError, StoreRefusedError
from hfdask.formats.output_files import OutputFiles
from hfdask.store import Location, split_url
from hfdask.store.failures import typed

PART_SECONDS = 5.0
"""Seconds between parts. So much of a batch is lost if its driver is killed: these rows are rendered again."""

LONGEST = 2**31
"""Bytes of a manifest."""


class Manifest:
    """Results of earlier runs, and of this one. Use it as a context manager, from one thread.

    Parameters
    ----------
    location : Location
        The file.
    """

    def __init__(self, location: Location) -> None:
        self.location = location
        self._store, self._name = split_url(location)
        self._parts = f"{self._name}.parts"
        self._places: dict[bytes, int] = {}
        self._unsent: list[bytes] = []
        self._sent_at = time.monotonic()
        self._run, self._part = f"{time.time_ns() // 10**6:015d}-{uuid.uuid4().hex[:6]}", 0
        local = self._store.local
        self._path = (
            Path(self._store.path, self._name) if local else scratch_folder() / f"manifest-{uuid.uuid4().hex[:12]}"
        )

    def __enter__(self) -> Manifest:
        if not self._store.local:
            self._bring()
        self._read()
        return self

    def __exit__(self, *error: object) -> None:
        if self._store.local:
            return
        try:
            if not error[0]:
                self._merge()
            elif self._unsent:
                self._send()
        finally:
            self._path.unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self._places)

    def find(self, output: str) -> RowResult | None:
        """Return the last result of an output."""
        place = self._places.get(_digest(output))
        if place is None:
            return None
        with self._path.open("rb") as file:
            file.seek(place)
            found = _decoded(file.readline())
        return found if found and found.output == output else None

    def append(self, results: Iterable[RowResult]) -> None:
        """Add results. In a local manifest they are on the disk when this returns.

        Raises
        ------
        DiskFullError, StoreError, StoreRefusedError
        """
        lines = [msgspec.json.encode(result) + b"\n" for result in results]
        if lines:
            try:
                self._write(b"".join(lines))
            except OSError as error:
                raise typed(error, str(self._path), None, writing=True) from error
        if not self._store.local:
            self._unsent += lines
            if self._unsent and time.monotonic() - self._sent_at >= PART_SECONDS:
                self._send()

    def _write(self, data: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            if file.tell() and not self._ends_with_line():
                file.write(b"\n")  # behind a line that a killed driver did not finish
            file.write(data)
            file.flush()
            if self._store.local:
                os.fsync(file.fileno())

    def _ends_with_line(self) -> bool:
        with self._path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def _read(self) -> None:
        """Note the place of the last line about each output."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return
        except OSError as error:
            raise typed(error, str(self._path), None, writing=False) from error
        with file:
            place = 0
            for number, line in enumerate(file):
                result = _decoded(line)
                if result is not None:
                    self._places[_digest(result.output)] = place
                elif number == 0 and not _is_torn(line):
                    raise InvalidConfigError(
                        f"{self._store.shown(self._name)} is not the manifest of a batch, so nothing is written to it; name another "
                        "file",
                        field="manifest",
                    )
                place += len(line)

    def _bring(self) -> None:
        """Fetch the manifest and its parts."""
        names: list[str] = []
        with suppress(MissingArtifactError):
            names = sorted(Location.at(self._store, self._parts).store().names())
        with self._path.open("wb") as file:
            with suppress(MissingArtifactError):
                file.write(self._store.read(self._name, limit=LONGEST))
            for name in names:
                with suppress(MissingArtifactError):
                    file.write(self._store.read(f"{self._parts}/{name}", limit=LONGEST))

    def _send(self) -> None:
        self._store.put(f"{self._parts}/{self._run}-{self._part:06d}.jsonl", b"".join(self._unsent))
        self._part, self._unsent, self._sent_at = self._part + 1, [], time.monotonic()

    def _merge(self) -> None:
        """Replace the parts by one file."""
        if self._unsent or self._part or self._places:
            self._store.put(self._name, self._path)
            self._store.delete(self._parts)


def video_is_there(result: RowResult, place: Location, sizes: Mapping[str, int] | None) -> bool:
    """Return true if the video of an earlier result is still what it was.

    On this machine's disks its content is compared, in other stores its size, because the content would have to be
    fetched.

    Parameters
    ----------
    place : Location
        The video's.
    sizes : mapping of str to int, optional
        Sizes by URL of all videos, if they are known. They are single files then.
    """
    if sizes is not None:
        return sizes.get(place.url) == result.bytes
    try:
        found = OutputFiles.at(place)
        return found.size == result.bytes and (not found.store.local or found.digest() == result.sha256)
    except (MissingArtifactError, StoreRefusedError, OSError):  # a file of the output cannot be read
        return False


def _decoded(line: bytes) -> RowResult | None:
    try:
        return msgspec.json.decode(line, type=built(RowResult))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _is_torn(line: bytes) -> bool:
    """Return true if a line is a result whose writer was killed, or ran out of space."""
    start, line = b'{"row":', line.rstrip(b"\n")
    try:
        msgspec.json.decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return bool(line) and line[: len(start)] == start[: len(line)]
    return False


def _digest(output: str) -> bytes:
    return hashlib.blake2b(output.encode(), digest_size=16).digest()
