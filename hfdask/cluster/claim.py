"""Allow one render at a time for one output: the first leaves a note next to it, and renews the note while it works.

Two renders to one output share the folder of their plan, which the first to end removes. So the second one ends at once with
`OutputBusyError`. The note of a render that was killed must not block later ones. On its own machine the system knows that its
process is gone. On other machines the note counts as abandoned if it has not been renewed for some time.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import uuid
from pathlib import Path
from typing import ClassVar

import msgspec

from hfdask.core.model import canonical_json, decode
from hfdask.core.values import Value
from hfdask.errors import (
    HfdaskError,
    MissingArtifactError,
    OutputBusyError,
    PlanCorruptError,
    RenderCancelledError,
)
from hfdask.store import Place, split_output

FOLDER = ".hfdask"
"""Folder next to outputs, for files of running renders."""

RENEWED = 4.0
"""Seconds between renewals of a note."""

PATIENCE = 20.0
"""Seconds after which a note that is not renewed counts as left behind."""

_LOOKS = 0.5
_SETTLED = 0.5
"""Seconds in which other renders that have found the same abandoned note have written theirs."""

_held: dict[str, threading.Event] = {}  # by renders of this process, each with what stops it


class Process(Value, frozen=True):
    """A process, as another process of the same machine can recognise it; ``started`` is in ticks since the boot."""

    machine: str
    space: str
    pid: int
    started: int

    @classmethod
    def own(cls) -> Process:
        """Return this process. ``machine`` is this boot of the machine; ``space`` is the namespace of its process id."""
        pid = os.getpid()
        return cls(machine=_boot(), space=_space(), pid=pid, started=_started(pid) or 0)

    def runs(self) -> bool | None:
        """Return true if it still runs; None if that cannot be known from here."""
        if not self.machine or (self.machine, self.space) != (_boot(), _space()):
            return None
        return _started(self.pid) == self.started


class Note(Value, frozen=True):
    """The render to an output; ``renewals`` changes as long as it runs."""

    LIMIT: ClassVar[int] = 4096

    token: str
    host: str
    process: Process
    renewals: int

    def is_alive(self) -> bool | None:
        """Return true if its render continues; None if that is not known yet, as for a cancelled render that is about to end."""
        if self.process == Process.own():
            stop = _held.get(self.token)
            return stop is not None and (None if stop.is_set() else True)
        return self.process.runs()


class Claim:
    """The right to render to an output. `take` it first, `release` it in any case.

    Parameters
    ----------
    output : str or Location
        The video.
    """

    def __init__(self, output: Place) -> None:
        self._store, name = split_output(output, may_be_folder=True)
        self._output = self._store.shown(name)
        self._name = f"{FOLDER}/{name}.claim"
        self._note = Note(token=uuid.uuid4().hex, host=socket.gethostname()[:200], process=Process.own(), renewals=0)
        self._end = threading.Event()
        self._renewing: threading.Thread | None = None

    def take(self, stop: threading.Event) -> None:
        """Claim the output; if another process has a note there, wait until it is clear if that process still renders.

        Raises
        ------
        OutputBusyError
            If another render is under way.
        RenderCancelledError
            If ``stop`` was set meanwhile.
        """
        _held[self._note.token] = stop
        if not self._store.create(self._name, self._document()):
            self._require_left_behind(stop)
            self._store.put(self._name, self._document())
            stop.wait(_SETTLED)
        if not self.holds():
            raise self._busy(self._read())
        self._renewing = threading.Thread(target=self._renew, args=[stop], name="hfdask-claim", daemon=True)
        self._renewing.start()

    def holds(self) -> bool:
        """Return true if the note is this claim's. Another render may have replaced it, if this process was paused for long."""
        found = _note_in(self._read())
        return found is not None and found.token == self._note.token

    def release(self) -> list[str]:
        """Let other renders use the output; return warnings if the note could not be removed."""
        self._end.set()
        if self._renewing is not None:
            self._renewing.join()
        _held.pop(self._note.token, None)
        try:
            if self.holds():
                self._store.delete(self._name)
        except HfdaskError as error:
            return [f"could not remove {self._store.shown(self._name)}: {error.message}"]
        if self._store.local:
            with contextlib.suppress(OSError):  # it is not there, or something else is in it
                Path(self._store.path, FOLDER).rmdir()
        return []

    def _renew(self, stop: threading.Event) -> None:
        while not self._end.wait(RENEWED) and not stop.is_set():
            with contextlib.suppress(
                HfdaskError
            ):  # the store fails or is full for a moment; the note is renewed next time
                if not self.holds():
                    return
                self._note = msgspec.structs.replace(self._note, renewals=self._note.renewals + 1)
                self._store.put(self._name, self._document())

    def _document(self) -> bytes:
        return canonical_json(self._note)

    def _read(self) -> bytes | None:
        """Return the note's bytes; None if there is no note."""
        try:
            return self._store.read(self._name, limit=Note.LIMIT)
        except MissingArtifactError:
            return None
        except PlanCorruptError:
            return b""  # too long for a note

    def _require_left_behind(self, stop: threading.Event) -> None:
        first = self._read()
        note = _note_in(first)
        alive = note.is_alive() if note is not None else None
        if alive:
            raise self._busy(first)
        waited = 0.0
        while alive is None and waited < PATIENCE:
            if stop.wait(_LOOKS):
                raise RenderCancelledError(f"the render of {self._output} was cancelled")
            waited += _LOOKS
            now = self._read()
            if now is None:
                return
            if now != first:
                raise self._busy(now)

    def _busy(self, data: bytes | None) -> OutputBusyError:
        note = _note_in(data)
        who = f", by process {note.process.pid} on {note.host}" if note is not None else ""
        return OutputBusyError(
            f"another render to {self._output} is under way{who}; wait for it, cancel it, or choose another output",
            path=self._output,
        )


def _note_in(data: bytes | None) -> Note | None:
    """Read a note; return None if it is not a note."""
    try:
        return None if data is None else decode(data, Note, "the note of a render")
    except PlanCorruptError:
        return None


def _boot() -> str:
    """Return an id of this boot of the machine; empty if the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def _space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _started(pid: int) -> int | None:
    """Return the start time of a process in ticks since the boot; None if it does not exist or has ended."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else int(fields[18])
