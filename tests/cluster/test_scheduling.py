"""The order of chunks, the share of workers, and the load on the cluster: with chunks that sleep."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aftermath import until
from cluster_processes import over_tcp
from distributed import Client, LocalCluster
from sleeping import sleep_instead_of_rendering, sleeping_plan

import hfdask.cluster.client_state
import hfdask.cluster.tasks
from hfdask.batch.window import FEWEST, window
from hfdask.cluster.chunk_run import ChunkRun
from hfdask.cluster.client_state import TOPIC, connection_of
from hfdask.cluster.tasks import EVENT_SECONDS, EVENTS_A_SECOND, event_seconds
from hfdask.errors import BrowserCrashError, EnvironmentMismatchError
from hfdask.manifest.location import PlanLocation

SLOTS = 2


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with over_tcp(SLOTS) as cluster:
        yield cluster


@pytest.fixture
def client(cluster) -> Iterator[Client]:
    with Client(cluster, set_as_default=False) as client:
        yield client


Begun = list[tuple[str, int]]


@pytest.fixture
def begun(monkeypatch) -> Begun:
    """Return the chunks of this test in the order of their beginnings, of any render; they last for 40 ms."""
    chunks: Begun = []
    monkeypatch.setattr(hfdask.cluster.client_state, "environment_differences", lambda planned: {})
    monkeypatch.setattr(hfdask.cluster.tasks, "render_chunk", _noting(chunks, 0.04))
    return chunks


def _noting(chunks: Begun, seconds: float, fail: Callable[[str, int], None] = lambda video, index: None) -> Any:
    sleep = sleep_instead_of_rendering(lambda video, index: seconds)

    def render_chunk(plan: PlanLocation, index: int, *args: Any, **kwargs: Any) -> Any:
        video = plan.url.rpartition("/")[2]
        chunks.append((video, index))
        fail(video, index)
        return sleep(plan, index, *args, **kwargs)

    return render_chunk


_turns = iter(range(10**6))


def run_of(client: Client, video: str, chunks: int, costs: Sequence[int] = (), **options: Any) -> ChunkRun:
    plan = sleeping_plan(f"{next(_turns)}/{video}", chunks, costs)
    return ChunkRun(client, plan, plan.chunks_url, name=video, retries=2, **options)


def start(run: ChunkRun) -> threading.Thread:
    thread = threading.Thread(target=lambda: list(run.results(range(len(run.plan.manifest.chunks)))))
    thread.start()
    while not run._attempts and thread.is_alive():
        time.sleep(0.001)
    return thread


def both(first: ChunkRun, second: ChunkRun) -> None:
    for thread in (start(first), start(second)):
        thread.join()


def test_chunks_of_a_render_begin_in_order(client, begun):
    list(run_of(client, "a", 12).results(range(12)))
    indices = [index for _, index in begun]
    assert sorted(indices) == list(range(12))
    assert all(abs(index - place) < SLOTS for place, index in enumerate(indices)), indices


def test_dear_chunks_of_a_render_begin_first_and_the_others_in_order(client, begun):
    start(run_of(client, "video", 8, costs=[100, 100, 100, 500, 100, 90, 900, 100])).join()
    order = [index for _, index in begun]
    assert set(order[:2]) == {3, 6}
    # Two chunks run at a time, so neighbours may change places.
    others = [0, 1, 2, 4, 5, 7]
    assert all(abs(others.index(index) - place) <= 1 for place, index in enumerate(order[2:]))


def test_only_the_named_workers_take_chunks(client, begun):
    only = frozenset([min(client.nthreads())])
    results = list(run_of(client, "video", 6, only=only).results(range(6)))
    assert {result.worker for result in results} == only


def test_the_render_that_was_submitted_first_goes_first_within_the_same_second(client, begun):
    both(run_of(client, "a", 12), run_of(client, "b", 12))
    videos = "".join(video for video, _ in begun)
    assert videos.index("b") > 12 - SLOTS, videos  # chunks that are sent at the same time may begin in any order


def test_submission_counts_and_not_the_end_of_planning(client, begun):
    early = time.monotonic()
    both(run_of(client, "late", 60, submitted=early + 0.01), run_of(client, "early", 6, submitted=early))
    videos = [video for video, _ in begun]
    assert set(videos[-6:]) == {"late"}


@pytest.mark.slow
def test_a_new_attempt_goes_before_what_was_submitted_later(client, begun, monkeypatch):
    def fail_once(video: str, index: int) -> None:
        if begun.count(("a", 0)) == 1 and (video, index) == ("a", 0):
            raise BrowserCrashError("gone")

    monkeypatch.setattr(hfdask.cluster.tasks, "render_chunk", _noting(begun, 0.04, fail_once))
    both(run_of(client, "a", 4), run_of(client, "b", 150))
    again = len(begun) - 1 - begun[::-1].index(("a", 0))
    assert begun.count(("a", 0)) == 2
    assert again < len(begun) - 10, again  # the back-off is as long as 50 of b's chunks at most


@pytest.mark.slow
def test_two_submitters_with_windows_share_evenly(cluster, begun):
    with Client(cluster, set_as_default=False) as first, Client(cluster, set_as_default=False) as second:
        clients = {"a": first, "b": second}
        in_flight = window(SLOTS, 4)

        def render(video: str) -> None:
            list(run_of(clients[video], video, 4).results(range(4)))

        with ThreadPoolExecutor(in_flight) as pool_a, ThreadPoolExecutor(in_flight) as pool_b:
            for _ in range(20):
                pool_a.submit(render, "a")
            while len(begun) < 10:
                time.sleep(0.005)
            for _ in range(10):
                pool_b.submit(render, "b")
    videos = [video for video, _ in begun]
    since, until = videos.index("b"), len(videos) - 1 - videos[::-1].index("b")
    shared = videos[since : until + 1]
    assert since < 10 + 4 * in_flight + SLOTS  # not after all of the first one's
    assert 0.35 < shared.count("b") / len(shared) < 0.65, "".join(videos)


def test_clocks_that_jump_do_not_change_who_is_first(client, monkeypatch):
    connection = connection_of(client)
    now = time.monotonic()
    there = connection.scheduler_time(now)
    assert abs(there - time.time()) < 1
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert connection.scheduler_time(now + 1) == pytest.approx(there + 1)


def test_a_worker_is_asked_once_what_it_renders_with_and_a_new_one_too(cluster, client, begun, monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(hfdask.cluster.client_state, "environment_differences", lambda planned: asked.append("") or {})
    for _ in range(3):
        list(run_of(client, "a", 2).results(range(2)))
    assert len(asked) == SLOTS
    cluster.scale(SLOTS + 1)
    client.wait_for_workers(SLOTS + 1)
    list(run_of(client, "a", 2).results(range(2)))
    assert len(asked) == SLOTS + 1
    cluster.scale(SLOTS)


def test_an_unfit_worker_is_asked_again(client, begun, monkeypatch):
    there = {"browser": {"planned": "1", "here": "2"}}
    monkeypatch.setattr(hfdask.cluster.client_state, "environment_differences", lambda planned: there)
    with pytest.raises(EnvironmentMismatchError):
        list(run_of(client, "a", 2).results(range(2)))
    monkeypatch.setattr(hfdask.cluster.client_state, "environment_differences", lambda planned: {})
    assert len(list(run_of(client, "a", 2).results(range(2)))) == 2


def test_a_finished_render_leaves_nothing_with_scheduler_or_client(client, begun):
    def topics(dask_scheduler: Any) -> dict[str, int]:
        found = dask_scheduler._broker._topics
        return {name: len(topic.subscribers) for name, topic in found.items() if name.startswith("hfdask")}

    runs = []
    for number in range(3):
        run = run_of(client, f"video{number}", 2)
        list(run.results(range(2)))
        runs.append(weakref.ref(run))
        del run
    gc.collect()
    assert [run() for run in runs] == [None] * 3
    assert until(lambda: client.run_on_scheduler(topics) == {TOPIC: 0}, 10)  # the message may be on its way
    assert not client.futures


def test_two_renders_of_one_client_hear_their_own_progress(client, begun):
    heard: dict[str, set[int]] = {"a": set(), "b": set()}
    runs = [run_of(client, video, chunks) for video, chunks in (("a", 3), ("b", 5))]
    for run in runs:
        run.on_frames = lambda index, done, video=run.name: heard[video].add(index)
    both(*runs)
    assert heard == {"a": {0, 1, 2}, "b": {0, 1, 2, 3, 4}}


@pytest.mark.parametrize("slots", [1, 2, 50, 200, 1000])
def test_events_of_a_whole_cluster_are_few(slots):
    assert event_seconds(slots) >= EVENT_SECONDS
    assert slots / event_seconds(slots) <= EVENTS_A_SECOND


def test_a_window_keeps_every_slot_busy():
    assert window(200, 16) == 38
    assert window(2, 16) == FEWEST
    assert all(window(slots, chunks) * chunks >= 3 * slots for slots in (1, 7, 200) for chunks in (1, 3, 500))
