"""Standard streams and signals of the command line.

File names and text of pages can contain control characters that a terminal obeys, so text for people is made legible
first. A closed standard stream is opened on the null device. Otherwise the next file that is opened would get its
number, and a child process would write into that file.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType

import click

import hfdask
from hfdask.errors import OutputNotWritableError

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A signal asked the process to end. This is not an `Exception`, so it is not handled as an error of a render."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.status = 128 + number


def say(text: str) -> None:
    """Print a line for people on standard error. It is dropped if that is closed or its terminal is gone."""
    with suppress(OSError):
        click.echo(hfdask.legible(text), err=True)


def answer(text: str) -> None:
    """Print a result on standard output.

    Raises
    ------
    OutputNotWritableError
        If it cannot be written, for example because the disk is full.
    BrokenPipeError
        If its reader is gone.
    """
    try:
        click.echo(hfdask.legible(text))
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputNotWritableError(f"cannot write to standard output: {error.strerror}") from error


@contextmanager
def standard_streams() -> Iterator[None]:
    """Make sure that all three standard streams are open and accept any text, until the block ends."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    before = sys.stdin, sys.stdout, sys.stderr
    with ExitStack() as held:
        sys.stdin = before[0] or held.enter_context(open(os.devnull, encoding="utf-8"))
        sys.stdout = before[1] or held.enter_context(open(os.devnull, "w", encoding="utf-8"))
        sys.stderr = before[2] or held.enter_context(open(os.devnull, "w", encoding="utf-8"))
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            yield
        finally:
            sys.stdin, sys.stdout, sys.stderr = before


@contextmanager
def signals_raised() -> Iterator[None]:
    """Raise `Stopped` in the main thread on SIGTERM and SIGHUP, which would end the process without cleaning up.

    A signal that is ignored stays ignored: ``nohup`` ignores SIGHUP.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is signal.SIG_DFL:
            signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _: FrameType | None) -> None:
    raise Stopped(number)
