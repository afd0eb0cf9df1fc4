"""Outputs of several files, as folders of pictures and HLS: certificates, copies, and batches of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from samples import BOX
from slow import sampled

import hfdask
from hfdask.errors import CertificateError, InvalidConfigError, MissingArtifactError, OutputNotWritableError, RowsError
from hfdask.store import Location, Store

pytestmark = pytest.mark.usefixtures("fake_browser")

SHORT = BOX.replace('data-duration="1" data-no', 'data-duration="0.2" data-no')
"""Six frames."""


@pytest.fixture(params=["disk", "memory"])
def out(request, tmp_path) -> str:
    return str(tmp_path / "out") if request.param == "disk" else f"memory://outputs/{tmp_path.name}"


def files_at(url: str) -> dict[str, bytes]:
    store = Store(url)
    return {name: store.read(name) for name in sorted(store.names()) if not name.startswith(".")}


def put(url: str, name: str, content: bytes) -> None:
    Store(url).put(name, content)


def certified(project: Callable[..., Path], out: str, output: str) -> hfdask.RenderResult:
    format = "png" if output.startswith("frames") else "hls"
    return hfdask.render(
        project(SHORT), f"{out}/{output}", format=format, chunk_size=3, certificate=True, plan_dir=f"{out}/.plan"
    )


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_folder_of_pictures_is_certified(slash, project, out):
    video = certified(project, out, f"frames{slash}")
    assert video.output.endswith("/frames")
    assert hfdask.verify(f"{out}/frames{slash}", sample=2).checked == (0, 5)
    paper = json.loads(files_at(out)["frames.certificate.json"])
    assert [file["name"] for file in paper["files"]] == [f"frame_{number:06d}.png" for number in range(1, 7)]
    assert paper["size"] == sum(file["size"] for file in paper["files"]) == video.size


def test_the_digest_of_a_folder_is_that_of_sha256sum(project, tmp_path):
    certified(project, str(tmp_path), "frames")
    paper = json.loads((tmp_path / "frames.certificate.json").read_bytes())
    command = "sha256sum * | sha256sum"
    run = subprocess.run(
        command, shell=True, cwd=tmp_path / "frames", capture_output=True, check=True, env={**os.environ, "LC_ALL": "C"}
    )
    assert run.stdout.decode().split()[0] == paper["sha256"]


def test_no_file_of_a_certified_folder_can_be_changed_added_or_removed(project, out):
    certified(project, out, "frames")
    folder = Store(f"{out}/frames")
    first = folder.read("frame_000001.png")
    folder.put("frame_000003.png", first)
    with pytest.raises(CertificateError, match=r"frame_000003\.png is not the file that .*frames\.certificate\.json"):
        hfdask.verify(f"{out}/frames", sample=1)
    folder.delete("frame_000003.png")
    with pytest.raises(CertificateError, match=r"lacks 'frame_000003\.png'"):
        hfdask.verify(f"{out}/frames", sample=1)
    certified(project, out, "frames")
    folder.put("frame_000007.png", first)
    with pytest.raises(CertificateError, match=r"has 'frame_000007\.png'"):
        hfdask.verify(f"{out}/frames", sample=1)
    folder.delete()
    with pytest.raises(MissingArtifactError, match="frames does not exist"):
        hfdask.verify(f"{out}/frames", sample=1)


def test_a_playlist_is_certified_with_its_segments(project, out):
    video = certified(project, out, "talk.m3u8")
    assert hfdask.verify(f"{out}/talk.m3u8", sample=2).frames == 6
    files = {name: content for name, content in files_at(out).items() if not name.endswith("certificate.json")}
    assert video.size == sum(map(len, files.values()))
    segment = next(name for name in files if name.endswith("video_00001.m4s"))
    put(out, segment, files[segment][:-1] + b"x")
    with pytest.raises(CertificateError, match=r"video_00001\.m4s is not the file"):
        hfdask.verify(f"{out}/talk.m3u8", sample=1)
    Store(out).delete(segment)
    with pytest.raises(MissingArtifactError, match=r"video_00001\.m4s does not exist"):
        hfdask.verify(f"{out}/talk.m3u8", sample=1)


def batch_of(
    project: Callable[..., Path], rows: list[dict[str, Any]], pattern: str, **options: Any
) -> list[hfdask.RowResult]:
    batch = hfdask.render_batch(project(SHORT), rows, pattern, ignore=["id"], **options)
    batch.wait(60)
    results = sorted(batch.results(), key=lambda result: result.row)
    assert [(result.code, result.message) for result in results] == [("", "")] * len(rows)
    return results


ROWS = [{"id": "one", "title": "a"}, {"id": "two", "title": "b"}, {"id": "one more", "title": "a"}]


@pytest.mark.parametrize("pattern", sampled(["{id}/", "{id}", "{id}/talk.m3u8", "{id}.m3u8"], one_of=2))
def test_a_batch_writes_copies_and_uses_again_outputs_of_several_files(pattern, project, out):
    format = "hls" if pattern.endswith("m3u8") else "png"
    first = batch_of(project, ROWS, f"{out}/{pattern}", format=format)
    assert [result.status for result in first] == ["rendered", "rendered", "copied"]
    for row, result in zip(ROWS, first, strict=True):
        output = pattern.replace("{id}", str(row["id"])).rstrip("/")
        alone = f"{out}-alone/{output}"
        hfdask.render(project(SHORT), alone, format=format, chunk_size=6, variables={"title": row["title"]})
        assert hfdask.compare(f"{out}/{output}", alone).identical
        assert result.bytes > 1000
    alike = {name: content for name, content in files_at(f"{out}-alone").items() if not name.startswith("batch")}
    assert {name: content for name, content in files_at(out).items() if name != "batch.jsonl"} == alike
    again = batch_of(project, ROWS, f"{out}/{pattern}", format=format)
    assert [result.status for result in again] == ["reused"] * 3


@pytest.mark.parametrize(("pattern", "format"), [("{id}/", "png"), ("{id}.m3u8", "hls")])
def test_a_batch_renders_anew_what_lacks_one_of_its_files(pattern, format, project, out):
    batch_of(project, ROWS[:2], f"{out}/{pattern}", format=format)
    lost = next(name for name in files_at(out) if name.startswith("two") and name.endswith(("00000.m4s", "02.png")))
    Store(out).delete(lost)
    again = batch_of(project, ROWS[:2], f"{out}/{pattern}", format=format)
    assert [result.status for result in again] == ["reused", "rendered"]
    assert lost in files_at(out)


def test_a_copy_of_a_playlist_stays_when_the_first_one_changes(project, tmp_path):
    """Rows with the same values once shared the segments of the first one, which a new render of it removes."""
    batch_of(project, [{"id": name, "title": "a"} for name in ("one", "two")], f"{tmp_path}/{{id}}.m3u8")
    changed = batch_of(project, [{"id": "one", "title": "b"}, {"id": "two", "title": "a"}], f"{tmp_path}/{{id}}.m3u8")
    assert [result.status for result in changed] == ["rendered", "reused"]
    assert hfdask.compare(tmp_path / "two.m3u8", tmp_path / "two.m3u8").frames == 6


def test_names_that_the_format_cannot_have_are_refused_before_any_row_runs(project, tmp_path):
    rows = [{"id": "fine"}, {"id": "v1.2"}]
    with pytest.raises(RowsError, match=r"row 1: the output's name must end in \.zip, or have no ending") as caught:
        hfdask.render_batch(project(SHORT), rows, f"{tmp_path}/out/{{id}}/", ignore=["id"], format="png")
    assert caught.value.details["rows"] == [1]
    with pytest.raises(RowsError, match=r"row 0: the output's name must end in \.mp4"):
        hfdask.render_batch(
            project(SHORT), [{"id": 1, "hfdask.format": "mp4"}], f"{tmp_path}/out/{{id}}.webm", ignore=["id"]
        )
    assert not [each for each in (tmp_path / "out").rglob("*") if each.is_file()]


def test_a_row_never_replaces_a_folder_with_other_files(project, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "notes.txt").write_text("mine")
    batch = hfdask.render_batch(project(SHORT), ROWS[:1], f"{tmp_path}/{{id}}/", ignore=["id"], format="png")
    batch.wait(60)
    [result] = batch.results()
    assert (result.status, result.code) == ("failed", OutputNotWritableError.code)
    assert os.listdir(tmp_path / "one") == ["notes.txt"]


def test_a_slash_marks_a_folder_and_never_a_file(project, tmp_path):
    with pytest.raises(OutputNotWritableError, match="has no name"):
        hfdask.render(project(SHORT), f"{tmp_path}/out/a.mp4/")
    with pytest.raises(InvalidConfigError, match=r"must end in \.m3u8"):
        hfdask.render(project(SHORT), f"{tmp_path}/out/talk/", format="hls")
    with pytest.raises(InvalidConfigError, match="for a folder of pictures, give the format png"):
        hfdask.render(project(SHORT), f"{tmp_path}/out/talk/")
    assert not (tmp_path / "out").exists()


def test_a_playlist_at_any_url_is_compared(project, tmp_path):
    hfdask.render(project(SHORT), "memory://compared/a talk.m3u8", chunk_size=3)
    hfdask.render(project(SHORT), tmp_path / "a.mp4", chunk_size=3)
    assert hfdask.compare("memory://compared/a talk.m3u8", tmp_path / "a.mp4").identical
    shutil.rmtree(tmp_path / "project")
    assert Location.of("memory://compared").store().exists("a talk.m3u8")
