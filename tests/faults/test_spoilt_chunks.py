"""Chunks that are spoilt in their store are rendered again, once, with a warning that names the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

import msgspec
import pytest
from cluster_processes import in_this_process
from distributed import Client

import hfdask
import hfdask.cluster.tasks
from hfdask import errors
from hfdask.core.model import decode, pretty_json
from hfdask.core.results import ChunkResult
from hfdask.formats.decoding import Decoding
from hfdask.store import Store

pytestmark = pytest.mark.usefixtures("fake_browser", "nothing_left")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Client]:
    with in_this_process() as client:
        yield client


def spoil(chunk: ChunkResult, suffix: str, change: Callable[[bytes], bytes | None]) -> str:
    """Change a stored file of a chunk; returns its name."""
    folder, _, name = chunk.url.rpartition("/")
    store = Store(folder)
    data = change(store.read(name + suffix))
    if data is None:
        store.delete(name + suffix)
    else:
        store.put(name + suffix, data)
    return name + suffix


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def of_another(**change: object) -> Callable[[bytes], bytes]:
    return lambda data: pretty_json(msgspec.structs.replace(decode(data, ChunkResult, ""), **change))


SPOILT: dict[str, tuple[str, Callable[[bytes], bytes | None]]] = {
    "record": (".json", lambda data: data[:-20]),
    "record of another codec": (".json", of_another(codec="libx265")),
    "record of another number": (".json", of_another(index=0)),
    "frames": (".frames.json", lambda data: data[: len(data) // 2]),
    "other frames": (".frames.json", lambda data: data.replace(b'"digests":["', b'"digests":["00')),
    "no frames": (".frames.json", lambda data: None),
    "file": ("", flipped),
    "short file": ("", lambda data: data[:100]),
    "no file": ("", lambda data: None),
}


PLACES = [("driver", "{folder}"), ("worker", "{folder}"), ("driver", "memory:/{folder}")]
QUICK = [("frames", PLACES[0]), ("file", PLACES[2])]


@pytest.mark.parametrize(
    ("what", "place"),
    [
        pytest.param(what, place, marks=() if (what, place) in QUICK else pytest.mark.slow)
        for what in SPOILT
        for place in PLACES
    ],
)
def test_what_a_store_has_spoilt_is_rendered_again(what, place, project, cluster, tmp_path):
    assemble_on, plan_url = place[0], place[1].format(folder=tmp_path / "plan")
    source = project()
    options = {"client": cluster, "chunk_size": 10, "plan_dir": plan_url, "assemble_on": assemble_on, "fps": 20}
    first = hfdask.render(source, tmp_path / "out.mp4", **options)
    name = spoil(first.chunks[1], *SPOILT[what])
    again = hfdask.render(source, tmp_path / "out.mp4", **options)
    assert again.digest == first.digest
    if what == "record of another number":  # which says nothing that is needed
        assert [chunk.index for chunk in again.chunks] == [0, 1]
        return
    assert [chunk.reused for chunk in again.chunks] == [True, False]
    file = name.partition(".mp4")[0]
    assert [text for text in again.warnings if "rendered again" in text and file in text]
    third = hfdask.render(source, tmp_path / "out.mp4", **options)
    assert all(chunk.reused for chunk in third.chunks)
    assert not [text for text in third.warnings if "rendered again" in text]


def test_a_chunk_that_cannot_be_decoded_is_tried_again(project, cluster, tmp_path, monkeypatch):
    finish = Decoding.finish
    failed: list[Decoding] = []

    def failing(decoding: Decoding) -> None:
        if not failed:
            failed.append(decoding)
            raise errors.NotDecodableError("a.mp4 decodes to 9 pictures instead of 10")
        finish(decoding)

    monkeypatch.setattr(Decoding, "finish", failing)
    video = hfdask.render(project(), tmp_path / "out.mp4", client=cluster, chunk_size=10, fps=20)
    assert failed
    assert sorted(chunk.attempt for chunk in video.chunks) == [0, 1]


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 9])
def test_a_chunk_that_is_spoilt_again_ends_the_render(times, project, cluster, tmp_path, monkeypatch):
    original = hfdask.cluster.tasks.render_chunk
    calls: list[int] = []

    def spoiling(plan_url, index, *args, **kwargs):
        result = original(plan_url, index, *args, **kwargs)
        calls.append(index)
        if index == 1 and calls.count(1) <= times:
            spoil(result, ".frames.json", lambda data: data[:-5])
        return result

    monkeypatch.setattr(hfdask.cluster.tasks, "render_chunk", spoiling)
    if times == 1:
        video = hfdask.render(project(), tmp_path / "out.mp4", client=cluster, chunk_size=10)
        assert any("chunk 1 was damaged" in text for text in video.warnings)
    else:
        with pytest.raises(errors.ChunkMismatchError, match=r"frames\.json"):
            hfdask.render(project(), tmp_path / "out.mp4", client=cluster, chunk_size=10)
        assert not (tmp_path / "out.mp4").exists()
    assert sorted(calls) == [0, 1, 1, 2]


def test_a_record_is_not_believed_where_its_chunk_is(project, cluster, tmp_path):
    source, options = project(), {"client": cluster, "chunk_size": 10, "plan_dir": tmp_path / "plan", "fps": 20}
    first = hfdask.render(source, tmp_path / "out.mp4", **options)
    spoil(first.chunks[1], ".json", of_another(url=f"file://{tmp_path}/elsewhere.mp4"))
    again = hfdask.render(source, tmp_path / "out.mp4", **options)
    assert [chunk.url for chunk in again.chunks] == [chunk.url for chunk in first.chunks]
    urls = [chunk.url for chunk in first.chunks]
    assert hfdask.assemble(first.plan_url, urls, tmp_path / "b.mp4").digest == first.digest


def picture(width: int, height: int) -> bytes:
    import av
    import numpy as np

    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, "rgb24", Fraction(1)
    frame = av.VideoFrame.from_ndarray(np.zeros((height, width, 3), np.uint8), format="rgb24")
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


SEAMS: dict[str, Callable[[], bytes]] = {
    "junk": lambda: b"no picture",
    "large": lambda: picture(6000, 6000),
    "small": lambda: picture(40, 40),
    "zeros": lambda: bytes(10**6),
}


@pytest.mark.sample("junk", "large")
@pytest.mark.parametrize("kind", SEAMS)
def test_a_picture_at_a_seam_of_another_size_is_refused(kind, project, tmp_path):
    data = SEAMS[kind]()
    plan = hfdask.plan(project(), tmp_path / "plan", chunk_size=15)
    chunks = [hfdask.render_chunk(plan.url, index, tmp_path / "c" / f"{index}.mp4") for index in (0, 1)]
    spoil(chunks[1], ".before.png", lambda _: data)
    other = msgspec.structs.replace(chunks[1], before_digest="0" * 32)
    with pytest.raises(errors.ChunkMismatchError) as caught:
        hfdask.assemble(plan.url, [chunks[0], other], tmp_path / "out.mp4")
    assert caught.value.details["chunk"] == 1
    assert not (tmp_path / "out.mp4").exists()


def test_a_spoilt_picture_at_a_seam_is_rendered_again(project, cluster, tmp_path):
    source, options = project(), {"client": cluster, "chunk_size": 10, "plan_dir": tmp_path / "plan", "fps": 20}
    first = hfdask.render(source, tmp_path / "out.mp4", **options)
    spoil(first.chunks[1], ".json", of_another(before_digest="0" * 32))
    spoil(first.chunks[1], ".before.png", lambda data: data[:50])
    again = hfdask.render(source, tmp_path / "out.mp4", **options)
    assert [chunk.reused for chunk in again.chunks] == [True, False]
    assert again.digest == first.digest
    assert all(seam.equal for seam in again.seams)
    assert any(".before.png" in text for text in again.warnings)
