"""Whole renders on a store that misbehaves: the same video, or the exact error within its time and nothing lost."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faulty_store import FOR_EVER, READS, WRITES, raising
from samples import BOX
from slow import sampled

import hfdask
from hfdask import errors
from hfdask.store import Store, calls

pytestmark = pytest.mark.usefixtures("fake_browser", "nothing_left")

FAULTS = ["fails", "stalls", "truncates", "lies"]
STALL = 0.3
MARGIN = 30.0  # for what else is done, on a crowded machine
FILES = {"a.txt": "a", "b.txt": "b", "large.bin": b"x" + bytes(1_000_000)}  # two in a pack, one alone


@pytest.fixture(autouse=True)
def _short(faulty, tmp_path, monkeypatch) -> None:
    """Limits of this store only, and a cache that keeps nothing, so that chunks read what planning wrote."""
    monkeypatch.setattr(calls, "STALL", STALL)
    monkeypatch.setattr(calls, "SECONDS", 30.0)
    monkeypatch.setenv("HFDASK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HFDASK_CACHE_BYTES", "0")


@pytest.fixture
def source(project) -> Path:
    return project(BOX, **FILES)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory) -> tuple[str, bytes]:
    """Digest and bytes of an undisturbed render."""
    folder = tmp_path_factory.mktemp("quiet")
    (folder / "project").mkdir()
    for name, content in {"index.html": f"<!doctype html><html><body>{BOX}</body></html>", **FILES}.items():
        (folder / "project" / name).write_bytes(content.encode() if isinstance(content, str) else content)
    video = hfdask.render(folder / "project", folder / "out.mp4", chunk_size=10, workers=2)
    return video.digest, (folder / "out.mp4").read_bytes()


@pytest.fixture
def faults() -> Iterator[dict[str, Callable[[], object] | str]]:
    over = threading.Event()
    yield {
        "fails": raising(ConnectionResetError("reset")),
        "stalls": lambda: over.wait(60),
        "truncates": "truncates and does not know",
        "lies": "lies",
    }
    over.set()


class Place:
    """A plan's folder and an output on the faulty store."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.url = f"faulty://{uuid.uuid4().hex}"

    def render(self, **options) -> hfdask.RenderResult:
        return hfdask.render(
            self.source, f"{self.url}/out/video.mp4", plan_dir=f"{self.url}/plan", chunk_size=10, workers=2, **options
        )

    @property
    def finished(self) -> int:
        return len([name for name in Store(self.url).names() if name.endswith(".mp4.json")])

    def require(self, video: hfdask.RenderResult, quiet: tuple[str, bytes]) -> None:
        assert (video.digest, Store(self.url).read("out/video.mp4")) == quiet
        assert [name for name in Store(self.url).names() if name.startswith("out/")] == ["out/video.mp4"]


@pytest.mark.sample("truncates-pipe-3", "fails-get-3")
@pytest.mark.parametrize("times", [pytest.param(1, marks=pytest.mark.slow), 3])
@pytest.mark.parametrize("method", [READS, WRITES])
@pytest.mark.parametrize("fault", sampled(FAULTS, one_of=2))
def test_what_befalls_every_file_once_or_thrice_heals(fault, method, times, faulty, faults, source, quiet):
    place = Place(source)
    # To wait for each file that often would take long.
    some = r"plan\.json$|/000010-\w+\.mp4$|video\.mp4$"
    faulty.befall(faults[fault], times, method, some if fault == "stalls" else r"\.\w+$|/objects/")
    place.require(place.render(retries=0), quiet)
    assert {times} == {*faulty.befallen.values()}


# The first file that each stage reads or writes, and the number of chunks that may be finished by then.
STAGES = {
    ("plan", WRITES): (r"/packs/", 0, 0),
    ("commit", WRITES): (r"/plan\.json$", 0, 0),
    ("chunk", WRITES): (r"/000010-\w+\.mp4$", 1, 2),
    ("record", WRITES): (r"/000010-\w+\.mp4\.json$", 1, 2),
    ("assemble", WRITES): (r"/video\.mp4$", 3, 3),
    ("chunk", READS): (r"/packs/", 0, 0),
    ("assemble", READS): (r"/000010-\w+\.mp4\.frames\.json$", 1, 3),
}


# Each stage with one fault on every run, and with all of them in `make test-all`.
CASES = [
    pytest.param(fault, *stage, marks=[] if (i + j) % len(FAULTS) == 0 else [pytest.mark.slow])
    for i, stage in enumerate(STAGES)
    for j, fault in enumerate(FAULTS)
]


@pytest.mark.sample("truncates-assemble-get", "lies-chunk-get", "fails-plan-pipe", "stalls-record-pipe")
@pytest.mark.parametrize(("fault", "stage", "method"), CASES)
def test_what_befalls_a_file_for_ever_ends_in_its_error_and_loses_nothing(
    fault, stage, method, faulty, faults, source, quiet
):
    place = Place(source)
    names, least, most = STAGES[stage, method]
    faulty.befall(faults[fault], FOR_EVER, method, names)
    with pytest.raises(errors.StoreError) as caught:
        place.render(retries=1)
    assert time.monotonic() - faulty.struck < 2 * calls.ATTEMPTS * STALL + MARGIN
    assert caught.value.code == "STORE_UNAVAILABLE"
    assert least <= place.finished <= most
    assert not [name for name in Store(place.url).names() if name.startswith("out/")]
    kept = place.finished
    faulty.heal()
    video = place.render()
    assert sum(chunk.reused for chunk in video.chunks) == kept
    place.require(video, quiet)
