"""Assembly while chunks still render: any order in, first packets out early, errors at once, nothing left behind."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import msgspec
import pytest
from cluster_processes import in_this_process
from distributed import Client
from samples import BOX, paced

import hfdask
import hfdask.cluster.tasks
from hfdask import errors
from hfdask.core.results import ChunkResult
from hfdask.core.scratch import atomic_file, atomic_folder
from hfdask.formats.join import FileJoin

module = import_module("hfdask.assembly.assemble")  # its name in the package is the function's
Assembly = module.Assembly

pytestmark = pytest.mark.usefixtures("fake_browser")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> tuple[hfdask.Plan, list[ChunkResult]]:
    folder = tmp_path_factory.mktemp("streaming")
    (folder / "index.html").write_text(f"<body>{BOX}</body>")
    plan = hfdask.plan(folder / "index.html", folder / "plan", chunk_size=2)
    return plan, [hfdask.render_chunk(plan.url, i, folder / "chunks" / f"{i}.mp4") for i in range(15)]


@pytest.fixture(scope="module")
def in_memory(rendered) -> list[ChunkResult]:
    """The same chunks in a store that is not local."""
    plan, _ = rendered
    return [hfdask.render_chunk(plan.url, i, f"memory://streaming/{i}.mp4") for i in range(15)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Client]:
    with in_this_process(1) as client:
        yield client


@pytest.fixture
def appended(monkeypatch) -> list[tuple[int, int]]:
    """First frames of chunks as they are written, and how many fetched files there were then."""
    seen: list[tuple[int, int]] = []
    original = FileJoin.append

    def append(self, chunk, *args):
        original(self, chunk, *args)
        seen.append((chunk.start, len(list(chunk.path.parent.glob("*.chunk")))))

    monkeypatch.setattr(FileJoin, "append", append)
    return seen


def starts(appended: list[tuple[int, int]]) -> list[int]:
    return [start for start, _ in appended]


def test_chunks_come_in_any_order_and_are_written_as_soon_as_it_is_their_turn(rendered, appended, tmp_path):
    plan, chunks = rendered
    hfdask.assemble(plan.url, chunks, tmp_path / "whole.mp4")
    appended.clear()
    with Assembly(plan.url, tmp_path / "out.mp4") as assembly:
        assembly.add(chunks[2])
        assert starts(appended) == []
        assembly.add(chunks[0])
        assert starts(appended) == [0]
        assembly.add(chunks[1])
        assert starts(appended) == [0, 2, 4]
        assembly.add(*reversed(chunks[3:]))
        assert starts(appended) == list(range(0, 30, 2))
        assert not (tmp_path / "out.mp4").exists()
        video = assembly.finish()
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert video.stages["assemble"] > 0
    assert sorted(os.listdir(tmp_path)) == ["out.mp4", "whole.mp4"]


def test_few_files_are_fetched_ahead_and_each_is_removed_when_it_is_copied(rendered, in_memory, appended, tmp_path):
    plan, _ = rendered
    with Assembly(plan.url, tmp_path / "out.mp4") as assembly:
        assembly.add(*in_memory[1:])
        folder = assembly._scratch
        assert not list(folder.iterdir())
        assembly.add(in_memory[0])
        assert not list(folder.iterdir())
        assembly.finish()
    assert not folder.exists()
    assert starts(appended) == list(range(0, 30, 2))
    assert max(files for _, files in appended) <= 1 + module.AHEAD


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"plan_hash": "0" * 64}, errors.ChunkMismatchError),
        ({"index": 15}, errors.ChunkMismatchError),
        ({"index": -1}, errors.ChunkMismatchError),
        ({"before_digest": "0" * 32}, errors.SeamError),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_told_before_its_turn(change, error, rendered, tmp_path):
    plan, chunks = rendered
    with Assembly(plan.url, tmp_path / "out.mp4", strict=True) as assembly:
        assembly.add(chunks[4])
        with pytest.raises(error):
            assembly.add(msgspec.structs.replace(chunks[5], **change))
    assert not list(tmp_path.iterdir())


def test_a_chunk_is_taken_once_and_none_may_be_missing(rendered, tmp_path):
    plan, chunks = rendered
    with Assembly(plan.url, tmp_path / "out.mp4") as assembly:
        assembly.add(*chunks[:4], chunks[8])
        with pytest.raises(errors.ChunkMismatchError, match="twice"):
            assembly.add(chunks[2])
        with pytest.raises(errors.ChunkMissingError) as caught:
            assembly.finish()
    assert caught.value.details["missing"] == [4, 5, 6, 7, *range(9, 15)]
    assert not list(tmp_path.iterdir())


def test_an_output_that_cannot_be_written(rendered, tmp_path):
    plan, chunks = rendered
    (tmp_path / "file").touch()
    for output in (tmp_path / "file" / "out.mp4", "/proc/out.mp4"):
        with pytest.raises(errors.OutputNotWritableError):
            hfdask.assemble(plan.url, chunks, output)


class Cancelling(hfdask.Observer):
    """Cancels when it was asked more than ``after`` times."""

    def __init__(self, after: int) -> None:
        self.left = after

    def cancelled(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("after", [0, 7, 25])
def test_a_cancelled_assembly_leaves_nothing(after, rendered, tmp_path):
    plan, chunks = rendered
    with pytest.raises(errors.RenderCancelledError):
        hfdask.assemble(plan.url, chunks, tmp_path / "out.mp4", observer=Cancelling(after))
    assert not list(tmp_path.iterdir())


HOLDER = """
import sys, time
from pathlib import Path
from hfdask.core.scratch import atomic_file
with atomic_file(Path(sys.argv[1]), "out.mp4") as path:
    print(path.name, flush=True)
    time.sleep(60)
"""


def test_a_killed_process_s_file_is_removed_by_the_next_and_a_living_one_s_is_not(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True)
    try:
        theirs = other.stdout.readline().strip()
        with atomic_file(tmp_path, "out.mp4") as mine, atomic_file(tmp_path, "out.mp4") as second:
            assert sorted(os.listdir(tmp_path)) == sorted([theirs, mine.name, second.name])
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()
        other.stdout.close()
    assert os.listdir(tmp_path) == [theirs]
    (tmp_path / ".out.mp4.certificate.json.0123456789ab.tmp").touch()  # another output's
    with atomic_file(tmp_path, "out.mp4") as mine:
        assert sorted(os.listdir(tmp_path)) == sorted([mine.name, ".out.mp4.certificate.json.0123456789ab.tmp"])


def test_a_hidden_file_that_a_disk_kept_is_removed_by_the_next_output(tmp_path, monkeypatch):
    def read_only(path: Path, **_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    with monkeypatch.context() as patch, atomic_file(tmp_path, "out.mp4"):
        patch.setattr(Path, "unlink", read_only)
    assert len(list(tmp_path.iterdir())) == 1
    with atomic_file(tmp_path, "out.mp4") as path:
        assert list(tmp_path.iterdir()) == [path]


MAKER = """
import os, sys, threading
from pathlib import Path
from hfdask.core.scratch import atomic_file, atomic_folder
make = atomic_folder if sys.argv[2] == "folder" else atomic_file
def burn():
    while True:
        sum(range(1000))
for _ in range(3):
    threading.Thread(target=burn, daemon=True).start()
print("", flush=True)
while True:
    with make(Path(sys.argv[1]), "out"):
        pass
"""


@pytest.mark.sample("file")
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_process_may_be_killed_at_any_moment_of_making_a_file(kind, tmp_path):
    """The busy threads make each step of it last milliseconds, so that a kill hits every one."""
    left = 0
    for number in range(80):
        if number >= 8 and left:
            break
        other = subprocess.Popen([sys.executable, "-c", MAKER, tmp_path, kind], stdout=subprocess.PIPE)
        other.stdout.readline()
        time.sleep(0.1 + 0.013 * (number % 8))
        other.kill()
        other.wait()
        other.stdout.close()
        left += len(os.listdir(tmp_path))
        with (atomic_folder if kind == "folder" else atomic_file)(tmp_path, "out"):
            pass
        assert not os.listdir(tmp_path)
    assert left, "no kill has hit"


def test_the_first_chunks_are_written_while_the_last_ones_render(project, cluster, appended, tmp_path, monkeypatch):
    """Chunks start in their order, and each is in the video before the next but one is finished."""
    original = hfdask.cluster.tasks.render_chunk
    written: list[list[int]] = []

    def render_chunk(plan_url, index, *args, **kwargs):
        deadline = time.monotonic() + 20
        while len(appended) < index - 1 and time.monotonic() < deadline:
            time.sleep(0.02)
        written.append([index, len(appended)])
        return original(plan_url, index, *args, **kwargs)

    monkeypatch.setattr(hfdask.cluster.tasks, "render_chunk", render_chunk)
    video = hfdask.render(project(), tmp_path / "out.mp4", client=cluster, chunk_size=5)
    assert [index for index, _ in written] == list(range(6))
    assert all(count >= index - 1 for index, count in written)
    assert starts(appended) == list(range(0, 30, 5))
    assert sorted(os.listdir(tmp_path)) == ["out.mp4", "project"]
    assert video.frames == 30


def test_an_error_of_the_assembly_ends_the_render_at_once(project, cluster, tmp_path, monkeypatch):
    original = hfdask.cluster.tasks.render_chunk
    calls: list[int] = []

    def render_chunk(plan_url, index, *args, **kwargs):
        calls.append(index)
        if index:
            observer, deadline = kwargs["observer"], time.monotonic() + 20
            while not observer.cancelled() and time.monotonic() < deadline:
                time.sleep(0.02)
            assert observer.cancelled()
        return original(plan_url, index, *args, **kwargs)

    def append(self, chunk, *args):
        raise errors.OutputNotWritableError("no")

    monkeypatch.setattr(hfdask.cluster.tasks, "render_chunk", render_chunk)
    monkeypatch.setattr(FileJoin, "append", append)
    with pytest.raises(errors.OutputNotWritableError):
        hfdask.render(project(), tmp_path / "out" / "out.mp4", client=cluster, chunk_size=5)
    assert calls[:2] == [0, 1]
    assert len(calls) < 6
    assert not [name for name in os.listdir(tmp_path / "out") if name != ".hfdask"]


def test_a_cancelled_render_leaves_no_growing_file(project, cluster, tmp_path):
    html = paced(5).replace('data-duration="1"', 'data-duration="60"')
    handle = hfdask.submit(project(html), tmp_path / "out" / "out.mp4", client=cluster, chunk_size=30)
    deadline = time.monotonic() + 60
    while handle.progress.chunks_done < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [name for name in os.listdir(tmp_path / "out") if name.endswith(".tmp")]
    handle.cancel()
    with pytest.raises(errors.RenderCancelledError):
        handle.result(timeout=10)
    assert os.listdir(tmp_path / "out") == [".hfdask"]
