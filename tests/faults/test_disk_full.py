"""Disks that are full at each step of a render: the typed error, nothing partial, and a next render that works."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest
from samples import BOX

import hfdask
from hfdask import errors
from hfdask.assembly.certificate import SUFFIX
from hfdask.browser import close_browsers
from hfdask.core import scratch

pytestmark = pytest.mark.usefixtures("fake_browser", "nothing_left")

# A background of noise, so that chunks have some size.
NOISY = BOX.replace("data-no-timeline", "data-no-timeline data-noise")


@pytest.fixture
def source(project) -> Path:
    return project(NOISY)


@pytest.fixture
def quiet(source, tmp_path) -> hfdask.RenderResult:
    return hfdask.render(source, tmp_path / "quiet.mp4", chunk_size=15, crf=0)


def require_next_render_works(source: Path, output: Path, quiet: hfdask.RenderResult, **options) -> hfdask.RenderResult:
    video = hfdask.render(source, output, chunk_size=15, crf=0, **options)
    assert video.digest == quiet.digest
    assert output.read_bytes() == Path(quiet.output).read_bytes()
    return video


@contextmanager
def filled(disk: Path, blocks: int) -> Iterator[None]:
    """Leave only ``blocks`` blocks of a disk free until the block ends."""
    other = disk / "other"
    free = os.statvfs(disk)
    other.write_bytes(bytes((free.f_bavail - blocks) * free.f_bsize))
    yield
    other.unlink()


def test_while_planning(small_disk, source, quiet, tmp_path):
    big = source / "big.bin"
    big.write_bytes(os.urandom(2**21))
    output = small_disk / "video.mp4"
    with pytest.raises(errors.DiskFullError):
        hfdask.render(source, output, chunk_size=15, crf=0)
    assert list(small_disk.iterdir()) == []
    big.unlink()
    require_next_render_works(source, output, quiet)


def test_while_chunks_are_sent(small_disk, source, quiet, tmp_path):
    hfdask.plan(source, small_disk / "plan", chunk_size=15, crf=0)  # so that only chunks are left to write
    options = {"plan_dir": str(small_disk / "plan")}
    with filled(small_disk, 5), pytest.raises(errors.DiskFullError):
        hfdask.render(source, tmp_path / "video.mp4", chunk_size=15, crf=0, **options)
    assert not (tmp_path / "video.mp4").exists()
    assert [path for path in small_disk.rglob("*.mp4.json") if not path.with_suffix("").exists()] == []
    require_next_render_works(source, tmp_path / "video.mp4", quiet, **options)


def test_while_the_video_is_written(small_disk, source, quiet, tmp_path):
    """The chunks are kept elsewhere, and used when there is space."""
    options = {"plan_dir": str(tmp_path / "plan")}
    with filled(small_disk, 2):
        with pytest.raises(errors.DiskFullError):
            hfdask.render(source, small_disk / "video.mp4", chunk_size=15, crf=0, **options)
        assert [path.name for path in small_disk.iterdir()] == ["other"]
    finished = len(list((tmp_path / "plan").rglob("*.mp4.json")))
    video = require_next_render_works(source, small_disk / "video.mp4", quiet, **options)
    assert sum(chunk.reused for chunk in video.chunks) == finished


def test_while_the_certificate_is_written(small_disk, source, quiet, tmp_path, monkeypatch):
    """The video just fits; it does not appear without the certificate that was asked for."""
    options = {"plan_dir": str(tmp_path / "plan"), "certificate": True}
    monkeypatch.setattr(import_module("hfdask.assembly.assemble"), "certificate_of", lambda *_: bytes(2**20))
    with pytest.raises(errors.DiskFullError):
        hfdask.render(source, small_disk / "video.mp4", chunk_size=15, crf=0, **options)
    assert list(small_disk.iterdir()) == []
    monkeypatch.undo()
    require_next_render_works(source, small_disk / "video.mp4", quiet, **options)
    assert (small_disk / ("video.mp4" + SUFFIX)).exists()


def test_a_video_that_cannot_be_sent_leaves_no_certificate(faulty, source, quiet, tmp_path):
    def fail() -> None:
        raise OSError(errno.ENOSPC, "full")

    faulty.befall(fail, 1, "pipe", r"video\.mp4$")
    url = "faulty://disk-full"
    options = {"plan_dir": str(tmp_path / "plan"), "certificate": True, "chunk_size": 15, "crf": 0}
    with pytest.raises(errors.DiskFullError):
        hfdask.render(source, f"{url}/out/video.mp4", **options)
    assert [name for name in faulty.store if "/out/" in name] == []
    video = hfdask.render(source, f"{url}/out/video.mp4", **options)
    assert video.digest == quiet.digest
    assert all(chunk.reused for chunk in video.chunks)


@pytest.mark.slow
@pytest.mark.browser
def test_while_chunks_are_encoded_in_scratch(small_disk, source, quiet, tmp_path, monkeypatch):
    plan = hfdask.plan(source, tmp_path / "plan", chunk_size=15, crf=0)
    close_browsers()  # their fonts and launchers are in the scratch folder that there was
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(small_disk))
        patch.setattr(scratch, "_folders", {})
        hfdask.render_chunk(plan.url, 0, tmp_path / "first.mp4")  # fills it with what browsers need
        with filled(small_disk, 1):
            with pytest.raises(errors.DiskFullError):
                hfdask.render_chunk(plan.url, 0, tmp_path / "0.mp4")
            assert not [path for path in scratch.scratch_folder().iterdir() if path.name.startswith("chunk-")]
        assert not list(tmp_path.glob("0.mp4*"))
        assert hfdask.render_chunk(plan.url, 0, tmp_path / "0.mp4").digest == quiet.chunks[0].digest
        close_browsers()
