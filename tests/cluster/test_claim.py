"""Two renders to one output: the second ends at once while the first is under way, and a dead one blocks no other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cluster_processes import in_this_process
from distributed import Client
from samples import paced

import hfdask
from hfdask.cluster import claim
from hfdask.cluster.claim import Claim
from hfdask.errors import OutputBusyError, RenderCancelledError
from hfdask.store import Store

COMMAND = [sys.executable, "-m", "hfdask", "render"]


@pytest.fixture(scope="module")
def near() -> Iterator[Client]:
    with in_this_process() as client:
        yield client


@pytest.fixture(params=["local", "memory"])
def output(request, tmp_path: Path) -> str:
    return str(tmp_path / "a b" / "v.mp4") if request.param == "local" else f"memory://{uuid.uuid4().hex}/v.mp4"


def taken(output: str) -> Claim:
    own = Claim(output)
    own.take(threading.Event())
    return own


def names(output: str) -> list[str]:
    return sorted(Store(output.rpartition("/")[0]).names())


def test_an_output_is_claimed_once(output):
    first = taken(output)
    second = Claim(output)
    began = time.monotonic()
    with pytest.raises(OutputBusyError, match=f"process {os.getpid()} on .*wait for it, cancel it"):
        second.take(threading.Event())
    assert time.monotonic() - began < 1
    assert second.release() == []
    assert first.holds()
    assert first.release() == []
    assert names(output) == []
    assert taken(output).release() == []


def test_of_many_at_the_same_time_one_has_it(output):
    claims = [Claim(output) for _ in range(16)]
    ready = threading.Barrier(16)

    def take(own: Claim) -> bool:
        ready.wait()
        try:
            own.take(threading.Event())
        except OutputBusyError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(take, claims)) == 1
    assert [own.holds() for own in claims].count(True) == 1
    for own in claims:
        own.release()
    assert names(output) == []


@pytest.fixture
def impatient(monkeypatch) -> None:
    """No note is renewed, and no other process finds it, so there is little to wait for."""
    monkeypatch.setattr(claim, "RENEWED", 1000.0)
    monkeypatch.setattr(claim, "PATIENCE", 0.2)
    monkeypatch.setattr(claim, "_LOOKS", 0.05)
    monkeypatch.setattr(claim, "_SETTLED", 0.05)


def on_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "_boot", lambda: "another machine")


def test_another_machine_sees_that_a_claim_is_renewed(output, monkeypatch):
    monkeypatch.setattr(claim, "RENEWED", 0.2)
    first = taken(output)
    on_another_machine(monkeypatch)
    began = time.monotonic()
    with pytest.raises(OutputBusyError):
        taken(output)
    assert time.monotonic() - began < 3
    first.release()


def test_another_machine_gives_up_a_claim_that_is_not_renewed(output, monkeypatch, impatient):
    first = taken(output)
    on_another_machine(monkeypatch)
    second = taken(output)
    assert (first.holds(), second.holds()) == (False, True)
    first.release()
    assert second.holds()
    second.release()


def test_another_machine_takes_over_what_is_released_meanwhile(output, monkeypatch):
    monkeypatch.setattr(claim, "RENEWED", 1000.0)
    first = taken(output)
    on_another_machine(monkeypatch)
    timer = threading.Timer(0.3, first.release)
    timer.start()
    taken(output).release()
    timer.join()


def test_a_wait_for_another_machine_can_be_cancelled(output, monkeypatch):
    monkeypatch.setattr(claim, "RENEWED", 1000.0)
    first = taken(output)
    on_another_machine(monkeypatch)
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(RenderCancelledError):
        Claim(output).take(stop)
    first.release()


@pytest.mark.parametrize("content", [b"", b"{", b"x" * 100_000, b'{"token": 1}'])
def test_what_is_no_note_is_given_up(content, output, impatient):
    Store(output.rpartition("/")[0]).put(".hfdask/v.mp4.claim", content)
    taken(output).release()
    assert names(output) == []


def test_a_dead_process_is_known_at_once(tmp_path):
    output = str(tmp_path / "v.mp4")
    code = f"import os, threading; from hfdask.cluster.claim import Claim; c = Claim({output!r}); c.take(threading.Event()); os._exit(9)"
    subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert names(output) == [".hfdask/v.mp4.claim"]
    began = time.monotonic()
    taken(output).release()
    assert time.monotonic() - began < 2


@pytest.mark.usefixtures("fake_browser")
def test_a_second_render_in_this_process_is_refused_and_the_first_ends_well(project, near, tmp_path):
    output = tmp_path / "v.mp4"
    first = hfdask.submit(project(paced(50)), output, client=near, chunk_size=5, sweep=0)
    while first.progress.stage == "plan":
        time.sleep(0.01)
    with pytest.raises(OutputBusyError):
        hfdask.submit(project(), output, client=near, chunk_size=7, fps=25).result(30)
    assert first.result(60).frames == 30
    assert sorted(os.listdir(tmp_path)) == ["project", "v.mp4"]
    assert hfdask.render(project(), output, client=near, fps=25).frames == 25


@pytest.mark.usefixtures("fake_browser")
def test_after_a_cancellation_the_next_render_waits_for_its_end(project, near, tmp_path):
    first = hfdask.submit(project(paced(50)), tmp_path / "v.mp4", client=near, chunk_size=5, sweep=0)
    while first.progress.stage == "plan":
        time.sleep(0.01)
    first.cancel()
    assert hfdask.render(project(), tmp_path / "v.mp4", client=near, chunk_size=5).frames == 30
    with pytest.raises(RenderCancelledError):
        first.result(1)


@pytest.mark.slow
@pytest.mark.browser
def test_of_two_commands_one_is_refused_and_a_killed_one_holds_nobody_up(project, tmp_path):
    command = [*COMMAND, str(project()), "-o", str(tmp_path / "v.mp4"), "--chunk-size", "6", "--workers", "1"]
    chunks = tmp_path / ".hfdask" / "v.mp4" / "chunks"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as first:
        while not list(chunks.glob("*.mp4.json")):
            assert first.poll() is None
            time.sleep(0.02)
        first.send_signal(signal.SIGSTOP)  # it is slow
        there = set(chunks.iterdir())
        second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (second.returncode, second.stderr.partition(":")[0]) == (5, "OUTPUT_BUSY")
        assert first.poll() is None
        assert there <= set(chunks.iterdir())
        first.send_signal(signal.SIGKILL)
        first.communicate()
    third = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert third.returncode == 0, third.stderr
    assert sorted(os.listdir(tmp_path)) == ["project", "v.mp4"]
