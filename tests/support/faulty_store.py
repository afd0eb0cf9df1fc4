"""A file system that fails, stalls, truncates or lies, as often as a test says, in the calls and for the names it says."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from hfdask.store import calls

FOR_EVER = 10**6
READS, WRITES = "get", "pipe"

_TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{12}\.tmp")
_FINAL = r"\1"


class FaultyFileSystem(MemoryFileSystem):
    """Memory with a ``fault``: a function that raises or waits, or what becomes of the bytes.

    It hits the next ``left`` calls, or, if ``times`` is given, that number of calls of each file in ``names`` by each method.
    """

    protocol = "faulty"
    store: dict[str, Any] = {}  # noqa: RUF012 - as in its base
    pseudo_dirs = [""]  # noqa: RUF012
    fault: Callable[[], object] | str | None = None
    left = 0
    times = 0
    methods: tuple[str, ...] = (READS, WRITES)
    names = ""
    calls: Counter[str] = Counter()  # noqa: RUF012
    befallen: Counter[tuple[str, str]] = Counter()  # noqa: RUF012
    struck = 0.0
    lock = threading.Lock()

    @classmethod
    def befall(cls, fault: Callable[[], object] | str | None, times: int, method: str, names: str = "") -> None:
        """Let a fault befall a method's first calls, for each file whose path this pattern finds."""
        cls.fault, cls.times, cls.methods, cls.names = fault, times, (method,), names
        cls.befallen, cls.struck = Counter(), 0.0

    @classmethod
    def heal(cls) -> None:
        cls.fault, cls.left, cls.times = None, 0, 0

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return super()._strip_protocol(path.replace("faulty://", "memory://") if isinstance(path, str) else path)

    def unstrip_protocol(self, name: str) -> str:
        return f"faulty://{name}"

    def _meet(self, method: str, path: str) -> str | None:
        cls = type(self)
        with cls.lock:
            cls.calls[method] += 1
            fault = cls.fault if self._strikes(method, self._strip_protocol(path)) else None
        if fault is None or isinstance(fault, str):
            return fault
        fault()
        return None

    def _strikes(self, method: str, path: str) -> bool:
        cls = type(self)
        if cls.left > 0:
            cls.left -= 1
            return True
        folder, _, name = path.rpartition("/")
        final = f"{folder}/{_TEMPORARY.sub(_FINAL, name)}"
        if method not in cls.methods or not re.search(cls.names, final) or cls.befallen[method, final] >= cls.times:
            return False
        cls.struck = cls.struck or time.monotonic()
        cls.befallen[method, final] += 1
        return True

    def get_file(self, rpath: str, lpath: str, callback: Any = None, **kwargs: Any) -> None:
        fault = self._meet(READS, rpath)
        data = super().cat_file(rpath)
        if callback is not None:
            callback.set_size(None if fault == "truncates and does not know" else len(data))
        Path(lpath).write_bytes(_spoilt(data, fault))

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        super().pipe_file(path, _spoilt(value, self._meet(WRITES, path)), mode=mode)

    def put_file(self, lpath: str, rpath: str, *args: Any, **kwargs: Any) -> None:
        self.pipe_file(rpath, Path(lpath).read_bytes())


fsspec.register_implementation("faulty", FaultyFileSystem, clobber=True)


def _spoilt(data: bytes, fault: str | None) -> bytes:
    if fault is None:
        return data
    return data[::-1] if fault == "lies" else data[: len(data) // 200]


def raising(error: BaseException) -> Callable[[], object]:
    def fail() -> object:
        raise error

    return fail


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FaultyFileSystem]]:
    """The file system, with short waits and limits, and empty."""
    monkeypatch.setattr(calls, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(calls, "LONGEST_WAIT", 0.001)
    monkeypatch.setattr(calls, "STALL", 0.1)
    monkeypatch.setattr(calls, "SECONDS", 3.0)
    FaultyFileSystem.calls = Counter()
    FaultyFileSystem.store.clear()
    yield FaultyFileSystem
    FaultyFileSystem.heal()
