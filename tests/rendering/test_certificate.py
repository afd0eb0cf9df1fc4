"""A certificate describes a video, and is compared with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import hfdask
from hfdask import errors
from hfdask.cli import main

pytestmark = pytest.mark.usefixtures("fake_browser")


@pytest.fixture
def video(project, tmp_path) -> hfdask.RenderResult:
    return hfdask.render(
        project(), tmp_path / "out.mp4", chunk_size=8, certificate=True, plan_dir=str(tmp_path / "plan")
    )


def test_it_holds_every_frame_chunk_and_seam(video):
    paper = json.loads(Path(video.certificate).read_bytes())
    assert paper["plan_hash"] == video.plan_hash
    assert len(paper["frame_digests"]) == video.frames == 30
    assert [(c["start"], c["end"], c["attempt"]) for c in paper["chunks"]] == [
        (0, 8, 0),
        (8, 16, 0),
        (16, 24, 0),
        (24, 30, 0),
    ]
    assert all(c["worker"] for c in paper["chunks"])
    assert [seam["equal"] for seam in paper["seams"]] == [True] * 3
    assert paper["environment"]["browser"]


def test_a_sample_comes_out_the_same(video):
    checked = hfdask.verify(video.output, sample=5).checked
    assert checked == (0, 7, 14, 22, 29)
    assert hfdask.verify(video.output, sample=99).checked == tuple(range(30))


def test_another_video_is_not_certified(video):
    file = Path(video.output)
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(errors.CertificateError, match="is not the file that"):
        hfdask.verify(file)


def test_a_forged_frame_is_found(video):
    paper = Path(video.certificate)
    document = json.loads(paper.read_bytes())
    document["frame_digests"][7] = "0" * 32
    paper.write_text(json.dumps(document))
    with pytest.raises(errors.CertificateError) as caught:
        hfdask.verify(video.output, sample=5)
    assert caught.value.details["frames"] == [7]


def test_another_plan_is_not_its_plan(video, project, tmp_path):
    other = hfdask.plan(project(), tmp_path / "other", chunk_size=9)
    with pytest.raises(errors.CertificateError, match="plan"):
        hfdask.verify(video.output, plan_url=other.url)


def test_a_plan_that_is_gone_is_said_to_be(project, tmp_path):
    video = hfdask.render(project(), tmp_path / "out.mp4", certificate=True)
    with pytest.raises(errors.MissingArtifactError, match="plan_dir"):
        hfdask.verify(video.output)


def test_a_video_without_a_certificate_is_said_to_have_none(tmp_path):
    with pytest.raises(
        errors.MissingArtifactError, match=r"no certificate is at .*out\.mp4\.certificate\.json: render"
    ):
        hfdask.verify(tmp_path / "out.mp4")


def test_the_command(project, tmp_path):
    output = str(tmp_path / "out.mp4")
    made = CliRunner().invoke(
        main, ["render", str(project()), "-o", output, "--certificate", "--plan-dir", str(tmp_path / "plan")]
    )
    assert made.exit_code == 0, made.output
    assert "were rendered again and are equal" in CliRunner().invoke(main, ["verify", output]).output
    Path(output).write_bytes(b"other")
    assert CliRunner().invoke(main, ["verify", output]).exit_code == 6
