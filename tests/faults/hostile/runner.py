"""Runs hostile cases in this process, one after another, and measures what they do to it.

Each case is planned and its chunks are rendered; then a harmless page is rendered, which must come out as ever, in the same
process and, if it survived, in the same browser.
"""

from __future__ import annotations

import faulthandler
import os
import shutil
import sys
import threading
import time
import traceback
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from case import GREEN, LIMITS, Case, Files

import hfdask
from hfdask import errors
from hfdask.browser.memory import BYTES_VARIABLE

BOUND = 25.0
"""Seconds that the worst case may take; its own limits are far below."""
HUNG = 3 * BOUND
"""Seconds after which a case is given up, and the browsers with it."""

BROWSER_BYTES = 900 * 2**20
# A browser is measured once a second, and takes up to a gigabyte in one.
TREE_BYTES = BROWSER_BYTES + 1500 * 2**20
GROWTH_BYTES = 400 * 2**20
"""What planning and rendering a case may add to this process for a moment."""
LONG_CHUNK = 1000
"""Frames. Chunks with more take long without any fault, so they are planned but not rendered."""

MAX_MESSAGE = 20_000
"""Characters of an error's message."""


@dataclass(frozen=True)
class Outcome:
    """How a case ended: ``ended`` is the code of its refusal, or "rendered"; ``failure`` says what is wrong with that."""

    case: Case
    ended: str
    seconds: float
    growth: int
    tree: int
    failure: str = ""


class Runner:
    """Runs hostile cases. Give it a separate folder, and close it at the end."""

    def __init__(self, folder: Path) -> None:
        os.environ[BYTES_VARIABLE] = str(BROWSER_BYTES)
        self._folder = folder
        self._number = 0
        self._references: dict[int, tuple[Files, list[str]]] = {}
        self._harmless = hfdask.plan(self._write(GREEN), folder / "harmless", chunk_size=2, sweep=0, **LIMITS)
        self._expected = self._render_harmless()

    def run(self, case: Case) -> Outcome:
        """Plan and render a case, then the harmless page."""
        if case.like is not None:
            self._pictures(case.like)
        work = _Attempt(lambda: self._attempt(case))
        failure = self._judge(case, work)
        try:
            after = self._render_harmless()
            if after != self._expected:
                failure += f"; the next render has the digest {after}, not {self._expected}"
        except Exception:  # noqa: BLE001 - it is part of the outcome
            failure += f"; the next render failed: {traceback.format_exc()}"
        ended = (
            work.error.code if isinstance(work.error, errors.HfdaskError) else "rendered" if work.digests else "failed"
        )
        return Outcome(case, ended, work.seconds, work.growth, work.tree, failure.removeprefix("; "))

    def _judge(self, case: Case, work: _Attempt) -> str:
        """Describe a wrong end of a case; empty if it is right."""
        if work.hung:
            return f"it did not end within {HUNG:g} s:\n{work.hung}"
        error = work.error
        if isinstance(error, errors.HfdaskError):
            wrong = _wrong_words(case, error)
        elif error is not None:
            wrong = ["".join(traceback.format_exception(error))]
        elif case.renders is False:
            wrong = ["it was rendered"]
        elif case.like is not None and work.digests != self._pictures(case.like):
            wrong = [f"its pictures are wrong: {work.digests}, not {self._pictures(case.like)}"]
        else:
            wrong = []
        measured = {
            f"it took {work.seconds:.1f} s": work.seconds > BOUND,
            f"this process grew by {work.growth >> 20} MiB": work.growth > GROWTH_BYTES,
            f"the processes below it took {work.tree >> 20} MiB": work.tree > TREE_BYTES,
        }
        return "; ".join([*wrong, *(words for words, is_so in measured.items() if is_so)])

    def _pictures(self, files: Files) -> list[str]:
        """The digests of an honest project's chunks."""
        if id(files) not in self._references:
            self._references[id(files)] = files, self._attempt(Case("reference", "honest", files))
        return self._references[id(files)][1]

    def _attempt(self, case: Case) -> list[str]:
        folder = self._write(case.files)
        if case.write:
            case.write(folder)
        there = folder.with_name("plan")
        try:
            plan = hfdask.plan(folder, there, **{"chunk_size": 4, **LIMITS, **case.options})
            short = [chunk.index for chunk in plan.manifest.chunks[:3] if chunk.end - chunk.start <= LONG_CHUNK]
            results = [hfdask.render_chunk(plan.url, k, there / f"{k}.mp4") for k in short]
            return [result.digest for result in results]
        finally:
            shutil.rmtree(folder.parent, ignore_errors=True)

    def _write(self, files: Files) -> Path:
        self._number += 1
        folder = self._folder / str(self._number) / "project"
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        return folder

    def _render_harmless(self) -> str:
        return hfdask.render_chunk(self._harmless.url, 0, self._folder / "harmless.mp4", redo=True).digest


def _is_control(character: str) -> bool:
    """Return true if a character controls a terminal or reverses text, or is half of a character."""
    if character in "\n\t":
        return False
    return unicodedata.category(character) in ("Cc", "Cs") or "\u202a" <= character <= "\u202e"


def _wrong_words(case: Case, error: errors.HfdaskError) -> list[str]:
    """Describe a wrong refusal; empty if it is right."""
    text = str(error)
    found = {
        f"it was refused: {text[:2000]}": case.renders,
        f"it was refused with {text[:2000]}, not as a {case.error}": case.error and type(error) is not case.error,
        f"its message has {len(text)} characters": len(text) > MAX_MESSAGE,
        f"its message has control characters: {text[:2000]!r}": any(_is_control(c) for c in text),
        f"its message tells a secret: {text[:2000]}": "secret" in text,
    }
    missing = [f"{words!r} is not in its message {text[:2000]}" for words in case.says if words not in text]
    return [*(words for words, is_so in found.items() if is_so), *missing]


@dataclass
class _Attempt:
    """A function's run in a thread, its end, and the memory that was taken meanwhile."""

    function: Any
    digests: list[str] = field(default_factory=list)
    error: BaseException | None = None
    seconds: float = 0.0
    growth: int = 0
    tree: int = 0
    hung: str = ""

    def __post_init__(self) -> None:
        own = psutil.Process()
        before = own.memory_info().rss
        began = time.monotonic()
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        while thread.is_alive() and (elapsed := time.monotonic() - began) < HUNG:
            thread.join(0.05 if elapsed < 1 else 0.3)
            self.growth = max(self.growth, own.memory_info().rss - before)
            self.tree = max(self.tree, _tree_bytes(own))
        self.seconds = time.monotonic() - began
        if thread.is_alive():
            self.hung = "".join(
                "".join(traceback.format_stack(frame)) for frame in [sys._current_frames()[thread.ident or 0]]
            )
            faulthandler.dump_traceback()
            hfdask.close_browsers()
            thread.join(HUNG)

    def _run(self) -> None:
        try:
            self.digests = self.function()
        except BaseException as error:  # noqa: BLE001 - it is judged
            self.error = error


def _tree_bytes(own: psutil.Process) -> int:
    """Private memory of all processes below, and once the shared memory of the one with most."""
    private, shared = 0, 0
    for process in own.children(recursive=True):
        try:
            memory = process.memory_info()
        except psutil.Error:
            continue
        private += memory.rss - memory.shared
        shared = max(shared, memory.shared)
    return private + shared
