"""The command line, used as a user would."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from distributed import Client, LocalCluster
from fake_browser import FakeBrowsers
from samples import BOX

from hfdask.cli import main
from hfdask.media.picture import decode_png

pytestmark = pytest.mark.usefixtures("fake_browser")


def run(*arguments: object, status: int = 0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result


def test_render_prints_one_document(project, tmp_path):
    out = tmp_path / "out.mp4"
    document = json.loads(run("render", project(), "-o", out, "--json", "--chunk-size", 10, "--fps", 25).stdout)
    assert document["output"] == str(out)
    assert document["frames"] == 25
    assert document["fps"] == {"num": 25, "den": 1}
    assert document["size"] == out.stat().st_size
    assert {"probe", "boot", "capture", "encode", "upload", "assemble", "total"} <= set(document["stages"])
    assert len(document["digest"]) == 32
    assert len(document["chunks"]) == 3
    assert "frame_rows" not in document


def test_render_says_what_it_did(project, tmp_path):
    said = run("render", project(), "-o", tmp_path / "out.mp4").stdout
    assert "30 frames at 30 fps, 160x90" in said


def test_plan_chunk_assemble(project, tmp_path):
    plan = tmp_path / "plan"
    document = json.loads(run("plan", project(), plan, "--chunk-size", 20, "--json").stdout)
    assert len(document["plan"]["chunks"]) == 2
    for index in (0, 1):
        assert json.loads(run("chunk", plan, index, "--json").stdout)["reused"] is False
    assert json.loads(run("chunk", plan, 1, "--json").stdout)["reused"] is True
    assert json.loads(run("chunk", plan, 1, "--redo", "--json").stdout)["reused"] is False
    run("assemble", plan, "-o", tmp_path / "out.mp4", "--strict")
    whole = json.loads(run("render", project(), "-o", tmp_path / "whole.mp4", "--chunk-size", 20, "--json").stdout)
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert whole["plan_hash"] == document["plan"]["plan_hash"]


@pytest.mark.browser
def test_still_is_the_frame_of_the_video(project, tmp_path):
    document = json.loads(run("still", project(), "-t", 0.5, "-o", tmp_path / "a.png", "--json").stdout)
    assert document["frame"] == 15
    picture = decode_png((tmp_path / "a.png").read_bytes())
    assert picture.shape == (90, 160, 3)
    assert tuple(picture[20, 70]) == (204, 51, 51)  # the box has moved by 50 pixels
    assert tuple(picture[20, 40]) == (255, 255, 255)


def test_compare(project, tmp_path):
    source = project()
    for name, crf in (("a", 0), ("b", 45)):
        run("render", source, "-o", tmp_path / f"{name}.mp4", "--crf", crf)
    same = json.loads(run("compare", tmp_path / "a.mp4", tmp_path / "a.mp4", "--json").stdout)
    assert same["passed"]
    assert same["identical"]
    assert same["mean_psnr"] is None  # infinite
    lossy = run("compare", tmp_path / "a.mp4", tmp_path / "b.mp4", "--min-psnr", 60, status=6)
    assert "PSNR mean" in lossy.stdout
    run("compare", tmp_path / "a.mp4", tmp_path / "b.mp4", "--min-psnr", 10)


@pytest.mark.browser
def test_doctor_finds_what_works():
    report = json.loads(run("doctor", "--json").stdout)
    assert report["ok"]
    assert report["facts"]["capture"] == "beginframe"


@pytest.mark.browser
def test_install_browser_is_content_with_what_is_there():
    assert "headless" in run("install-browser").stdout


def test_render_on_a_scheduler(project, tmp_path):
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster:
        with Client(cluster, set_as_default=False) as client:
            client.register_plugin(FakeBrowsers())
        address = cluster.scheduler_address
        said = run("render", project(), "-o", tmp_path / "out.mp4", "--scheduler", address, "--json").stdout
    assert json.loads(said)["chunks"][0]["worker"].startswith("tcp://")


@pytest.mark.slow
@pytest.mark.browser
def test_the_module_can_be_run(project, tmp_path):
    out = tmp_path / "out.mp4"
    command = [sys.executable, "-W", "error", "-m", "hfdask", "render", project(), "-o", out]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert Path(out).stat().st_size > 1000


def test_help_tells_the_exit_statuses():
    assert "no usable browser" in run("--help").stdout


def test_an_embedded_cluster_can_have_a_dashboard(project, tmp_path):
    said = run("render", project(), "-o", tmp_path / "out.mp4", "--dashboard")
    assert "dashboard: http://" in said.stderr


DECLARED = """<p data-composition-variables='[{"id": "title", "type": "string", "default": "x"}]'></p>"""


@pytest.mark.slow
@pytest.mark.browser
def test_values_for_variables_from_a_file(project, tmp_path):
    source, file = project(BOX + DECLARED), tmp_path / "values.json"
    file.write_text('{"title": "of the file", "more": 1}', "utf-8")
    given = ["--variables-file", file, "--variables", '{"title": "here"}']
    document = json.loads(run("plan", source, tmp_path / "plan", *given, "--sweep", 0, "--json").stdout)["plan"]
    assert document["page"]["variables"] == {"title": "here", "more": 1}
    assert document["warnings"] == ['variable "more" is not declared by the composition']
    for command in (["plan", source, tmp_path / "p"], ["still", source, "-t", 0, "-o", tmp_path / "a.png"]):
        assert "INVALID_VARIABLES" in run(*command, *given, "--strict-variables", status=2).stderr
    assert "cannot be read" in run("plan", source, tmp_path / "p", "--variables-file", tmp_path / "no", status=2).stderr
    file.write_text("[1]", "utf-8")
    assert "INVALID_CONFIG" in run("plan", source, tmp_path / "p", "--variables-file", file, status=2).stderr


@pytest.mark.browser
@pytest.mark.slow
def test_the_size_of_a_page_of_its_own(project, tmp_path):
    page = "<script>window.__hf = {duration: 1, seek() {}%s}</script>"

    def size(source: Path, *options: object) -> list[int]:
        document = json.loads(run("plan", source, tmp_path / "plan", *options, "--sweep", 0, "--json").stdout)["plan"]
        return [document["width"], document["height"], document["frames"]]

    assert size(project(page % "")) == [1920, 1080, 30]
    assert size(project(page % ", width: 320, height: 200")) == [320, 200, 30]
    assert size(project(page % ", width: 320, height: 200"), "--width", 64) == [64, 200, 30]
    assert "width is 7" in run("plan", project(page % ""), tmp_path / "p", "--width", 7, status=2).stderr
    assert "data-width" in run("plan", project(), tmp_path / "p", "--width", 64, status=2).stderr
