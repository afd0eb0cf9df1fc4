"""Workers and schedulers that are stopped, or gone, at each moment of a render: in bounded time all is right, or a typed error."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dask
import pytest
from aftermath import until
from click.testing import CliRunner
from cluster_processes import Processes, in_processes
from distributed import Client, LocalCluster, Status, Worker, WorkerPlugin
from hypothesis import given
from hypothesis import strategies as st
from sleeping import sleep_instead_of_rendering, sleeping_plan

import hfdask
from hfdask import errors
from hfdask.cli import main
from hfdask.cluster import chunk_run as chunks
from hfdask.cluster import client_state as connection
from hfdask.cluster import copies, scheduler
from hfdask.cluster import liveness as silence
from hfdask.cluster import single_task as once
from hfdask.cluster.chunk_run import ChunkRun
from hfdask.cluster.client_state import connection_of
from hfdask.cluster.single_task import run_task
from hfdask.core.model import Environment
from hfdask.diagnostics.fleet import survey

MARGIN = 20.0  # seconds on a crowded machine


@pytest.fixture
def soon(monkeypatch) -> None:
    """Limits of a second or two."""
    for module in (silence, copies, once):
        monkeypatch.setattr(module, "QUIET", 1.0)
        monkeypatch.setattr(module, "LOOK", 0.5)
    monkeypatch.setattr(silence, "SILENT", 2.0)
    monkeypatch.setattr(chunks, "FETCH", 2.0)
    monkeypatch.setattr(once, "FETCH", 2.0)
    monkeypatch.setattr(scheduler, "CONNECT", 1.0)
    monkeypatch.setattr(scheduler, "ANSWER", 3.0)
    monkeypatch.setattr(scheduler, "SILENCE", 1.0)
    monkeypatch.setattr(scheduler, "CLOSE", 1.0)
    monkeypatch.setattr(connection, "WORKERS_ANSWER", 3.0)


class Sleep(WorkerPlugin):
    """Lets a worker's chunks sleep, and never differ from what was planned."""

    name = "sleep"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def setup(self, worker: Worker) -> None:
        from hfdask.cluster import client_state as connection
        from hfdask.cluster import tasks as task

        connection.environment_differences = lambda planned: {}
        task.render_chunk = sleep_instead_of_rendering(lambda video, index: self.seconds)


@contextmanager
def workers(count: int, seconds: float = 0.4) -> Iterator[Client]:
    with in_processes(count) as client:
        client.register_plugin(Sleep(seconds))
        yield client


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def run_of(client: Client, chunks: int, name: str) -> ChunkRun:
    plan = sleeping_plan(f"stopped/{name}", chunks)
    return ChunkRun(client, plan, plan.chunks_url, name=name, retries=2)


@pytest.mark.slow
def test_what_a_stopped_worker_has_runs_elsewhere_and_it_may_go_on(soon):
    """Both the chunk that it runs, and the chunk that waits there."""
    with workers(2) as client:
        victim, pid = sorted(client.run(os.getpid).items())[0]
        results = run_of(client, 12, "a").results(range(12))
        got = [next(results) for _ in range(4)]
        with stopped(pid):
            began = time.monotonic()
            got += list(results)
            assert time.monotonic() - began < MARGIN
            assert sorted(result.index for result in got) == list(range(12))
            # Another render begins while it is stopped.
            second = list(run_of(client, 4, "b").results(range(4)))
            assert {result.worker for result in second}.isdisjoint({victim})
        third = list(run_of(client, 6, "c").results(range(6)))
    assert sorted(result.index for result in third) == list(range(6))


def pause(dask_worker: Worker) -> None:
    dask_worker.periodic_callbacks["memory_monitor"].stop()  # which would let it go on
    dask_worker.status = Status.paused


@pytest.mark.slow
def test_what_waits_on_a_paused_worker_runs_elsewhere(soon):
    """It sends heartbeats as before."""
    with workers(2) as client:
        victim = min(client.nthreads())
        results = run_of(client, 12, "a").results(range(12))
        got = [next(results)]
        client.run(pause, workers=[victim])
        assert until(lambda: client.processing()[victim], 5)
        got += list(results)
    assert sorted(result.index for result in got) == list(range(12))


@pytest.fixture
def in_vain(soon, monkeypatch) -> None:
    """Workers never come."""
    monkeypatch.setattr(hfdask.cluster.placement.Workers, "ask", lambda self: None)


@contextmanager
def deserted(timeout: str | None) -> Iterator[Client]:
    """A client of a cluster that has lost its workers."""
    with (
        dask.config.set({"distributed.scheduler.no-workers-timeout": timeout}),
        LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=False) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.mark.slow
def test_a_cluster_without_workers_is_told(in_vain, caplog):
    outcome: list[type[BaseException]] = []

    def work() -> None:
        with pytest.raises(errors.RenderCancelledError) as caught:
            list(run.results(range(2)))
        outcome.append(caught.type)

    with deserted(None) as client:
        run = run_of(client, 2, "a")
        thread = threading.Thread(target=work)
        thread.start()
        assert until(lambda: "no worker" in caplog.text, 10)
        time.sleep(1)
        run.stop()
        thread.join()
    assert outcome == [errors.RenderCancelledError]
    assert [record.message for record in caplog.records if record.name == "hfdask"] == [
        "the cluster has no worker: renders wait until one comes"
    ]


@pytest.mark.slow
@pytest.mark.parametrize("waits", ["chunks", "run_task"])
def test_dask_s_limit_for_a_cluster_without_workers_is_a_typed_error(waits, in_vain):
    with deserted("1s") as client, pytest.raises(errors.WorkerLostError, match="no-workers-timeout"):
        CALLS[waits](client)


@pytest.mark.slow
def test_copies_whose_worker_stops_too_are_copied_again(soon):
    with workers(3, 1.0) as client:
        pids = sorted(client.run(os.getpid).values())
        results = run_of(client, 9, "a").results(range(9))
        got = [next(results)]
        with stopped(pids[0]):
            time.sleep(4)  # its chunks have copies now
            with stopped(pids[1]):
                got += list(results)
    assert sorted(result.index for result in got) == list(range(9))


@pytest.mark.slow
def test_a_single_task_leaves_a_stopped_worker(soon):
    with workers(2) as client:
        pids = client.run(os.getpid)
        outcome: list[str] = []

        def work() -> None:
            arguments = {"span": "video:a", "priority": 0.0, "retries": 1, "stop": threading.Event()}
            outcome.append(run_task(client, "plan", slow_address, **arguments))

        thread = threading.Thread(target=work)
        thread.start()
        assert until(lambda: any(client.processing().values()), 10)
        [place] = [worker for worker, keys in client.processing().items() if keys]
        with stopped(pids[place]):
            thread.join(MARGIN)
            assert outcome
            assert outcome != [place]


def slow_address() -> str:
    from distributed import get_worker

    time.sleep(2)
    return str(get_worker().address)


@pytest.mark.slow
def test_the_doctor_names_a_stopped_worker(soon):
    with workers(2) as client:
        victim, pid = sorted(client.run(os.getpid).items())[0]
        with stopped(pid):
            connection_of(client).silent_workers()
            report = survey(client)
    assert victim not in report.workers
    assert len(report.workers) == 1
    assert any(victim in text and "stopped" in text for text in report.problems)


@given(
    beats=st.lists(st.dictionaries(st.sampled_from("abc"), st.floats(-1e9, 1e9)), max_size=20),
    step=st.floats(0.1, 5),
)
def test_a_worker_is_silent_if_its_last_heartbeat_has_not_changed_for_long(beats, step):
    known: dict[str, tuple[float, float]] = {}
    for number, last_seen in enumerate(beats):
        known = silence.noted(known, last_seen, number * step)
        limit = silence.SILENT + silence.SILENT_A_WORKER * len(last_seen)
        for worker, value in last_seen.items():
            same = 0
            while same < number and beats[number - same - 1].get(worker) == value:
                same += 1
            still = number * step - (number - same) * step
            assert (worker in silence.silent(known, number * step)) == (still >= limit)
    assert set(known) == set(beats[-1] if beats else {})


@pytest.fixture
def alone(cluster_processes: Processes) -> Iterator[tuple[Client, int]]:
    """A client of a scheduler without workers, and the scheduler's process."""
    process = cluster_processes.scheduler()
    client = Client(cluster_processes.address, set_as_default=False, timeout=30)
    yield client, process.pid
    process.send_signal(signal.SIGKILL)
    client.close(timeout=2)


NO_ENVIRONMENT = Environment(**dict.fromkeys(Environment.__struct_fields__, "none"))
ONCE = {"span": "video:a", "priority": 0.0, "retries": 0, "stop": threading.Event()}
CALLS: dict[str, Callable[[Client], object]] = {
    "worker_slots": scheduler.worker_slots,
    "in_process": scheduler.in_process,
    "worker_addresses": scheduler.worker_addresses,
    "scheduler_time": lambda client: connection_of(client).scheduler_time(0.0),
    "unfit_workers": lambda client: connection_of(client).unfit_workers(NO_ENVIRONMENT),
    "silent_workers": lambda client: connection_of(client).silent_workers(),
    "survey": survey,
    "run_task": lambda client: run_task(client, "plan", os.getpid, **ONCE),
    "chunks": lambda client: list(run_of(client, 2, "a").results([0, 1])),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [pytest.param(signal.SIGSTOP, id="stopped"), pytest.param(signal.SIGKILL, id="killed")],
)
def test_every_question_to_a_lost_scheduler_ends_in_a_typed_error(how, alone, soon, project, tmp_path, monkeypatch):
    client, pid = alone
    os.kill(pid, how)
    monkeypatch.setattr(scheduler, "ANSWER", 1.0)  # no process is there that could answer later
    monkeypatch.setattr(connection, "WORKERS_ANSWER", 1.0)
    before = set(threading.enumerate())
    for name, call in CALLS.items():
        began = time.monotonic()
        with pytest.raises(errors.SchedulerLostError) as caught:
            call(client)
        assert caught.value.retryable, name
        assert time.monotonic() - began < MARGIN / 2, name
    with pytest.raises(errors.SchedulerLostError):
        hfdask.render(project(), tmp_path / "out.mp4", client=client)
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("hfdask-")]
    assert not (tmp_path / "out.mp4").exists()


def test_all_renders_of_a_client_learn_at_once_that_the_scheduler_is_lost(alone, soon):
    client, pid = alone
    outcomes: list[type[BaseException]] = []

    def work() -> None:
        with pytest.raises(errors.SchedulerLostError) as caught:
            connection_of(client).scheduler_time(0.0)
        outcomes.append(caught.type)

    with stopped(pid):
        began = time.monotonic()
        threads = [threading.Thread(target=work) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - began < 5 * scheduler.ANSWER
    assert outcomes == [errors.SchedulerLostError] * 20


@pytest.mark.slow
@pytest.mark.parametrize(
    ("waits", "how"),
    [
        pytest.param("chunks", signal.SIGKILL, id="chunks-killed"),
        pytest.param("run_task", signal.SIGSTOP, id="run_task-stopped"),
        pytest.param("chunks", signal.SIGSTOP, id="chunks-stopped"),
        pytest.param("run_task", signal.SIGKILL, id="run_task-killed"),
    ],
)
def test_a_scheduler_that_is_lost_while_tasks_wait_ends_in_a_typed_error(waits, how, alone, soon, monkeypatch):
    client, pid = alone
    monkeypatch.setattr(hfdask.cluster.placement.Workers, "ask", lambda self: None)
    outcome: list[BaseException] = []

    def work() -> None:
        try:
            CALLS[waits](client)
        except BaseException as error:  # noqa: BLE001 - its kind is what is asked
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert until(lambda: client.futures, 10)
    time.sleep(0.5)
    os.kill(pid, how)
    monkeypatch.setattr(scheduler, "ANSWER", 1.0)  # no process is there that could answer later
    thread.join(MARGIN)
    assert [type(error) for error in outcome] == [errors.SchedulerLostError]


@pytest.mark.slow
@pytest.mark.parametrize("command", [["doctor"], ["render", ".", "-o", "{out}"]], ids=lambda words: words[0])
def test_a_command_line_whose_scheduler_is_stopped_says_so(command, cluster_processes, soon, tmp_path):
    process = cluster_processes.scheduler()
    with Client(cluster_processes.address, set_as_default=False, timeout=30):
        pass
    with stopped(process.pid):
        words = [word.format(out=tmp_path / "out.mp4") for word in command]
        result = CliRunner().invoke(main, [*words, "--scheduler", cluster_processes.address])
    assert result.exit_code == 1
    assert result.stderr.startswith("SCHEDULER_LOST: ")
    nobody = CliRunner().invoke(main, [*words, "--scheduler", "tcp://127.0.0.1:1"])
    assert nobody.stderr.startswith("SCHEDULER_LOST: no Dask scheduler answers")
