"""Options: the same names and types in Python, as keywords, in ``hfdask.toml`` and on the command line."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any, get_type_hints

import av
import click
import pytest
from click.testing import CliRunner

import hfdask
from hfdask import errors
from hfdask.cli import main
from hfdask.config import JobConfig, PlanOptions, RenderConfig, RenderOptions
from hfdask.precedence import merged

PLAN = {item.name for item in fields(RenderConfig)}
JOB = {item.name for item in fields(JobConfig)}


def test_keywords_have_the_names_and_types_of_the_fields():
    assert get_type_hints(PlanOptions) == get_type_hints(RenderConfig)
    assert get_type_hints(RenderOptions) == get_type_hints(RenderConfig) | get_type_hints(JobConfig)


@pytest.mark.parametrize(
    ("name", "options"), [("render", PLAN | JOB), ("plan", PLAN), ("still", PLAN), ("check", {"variables", "entry"})]
)
def test_the_command_line_has_an_option_for_each_field(name, options):
    command = main.commands[name]
    named = {parameter.name: parameter for parameter in command.params if isinstance(parameter, click.Option)}
    assert options <= named.keys()
    for option in options:
        assert named[option].help


@pytest.mark.parametrize("name", ["plan", "render", "submit", "still"])
def test_each_function_takes_a_config(name):
    parameters = inspect.signature(getattr(hfdask, name)).parameters
    assert "config" in parameters
    assert parameters["options"].kind is inspect.Parameter.VAR_KEYWORD


@pytest.mark.usefixtures("fake_browser")
def test_keywords_win_over_a_config_and_both_over_the_project_s_file(project, tmp_path):
    source = project(**{"hfdask.toml": "[render]\nfps = 10\ncrf = 30\nchunk_size = 2\n"})
    config = RenderConfig(fps=12, crf=40)
    plan = hfdask.plan(source, tmp_path / "plan", config=config, crf=20)
    assert plan.manifest.fps.fraction == 12
    assert plan.manifest.chunks[0].frames == 2
    assert "20" in str(plan.manifest.encoder)
    with pytest.raises(errors.InvalidConfigError, match=r"config must be a hfdask\.RenderConfig"):
        hfdask.plan(source, tmp_path / "plan", config={"fps": 12})  # type: ignore[arg-type]


@pytest.mark.usefixtures("fake_browser")
def test_the_file_of_a_project_at_a_url_is_read_like_a_local_one(project, tmp_path):
    import fsspec

    source = project(**{"hfdask.toml": "[render]\nworkers = 7\nfps = 10\n"})
    url = f"memory://options/{tmp_path.name}"
    fsspec.filesystem("memory").put(f"{source}/", f"{url}/", recursive=True)
    from hfdask.project.settings import with_project_file

    for place in (source, source / "index.html", url, f"{url}/index.html"):
        assert with_project_file(place, {"fps": 5}) == {"workers": 7, "fps": 5}
    fsspec.filesystem("memory").pipe(f"{url}/hfdask.toml", b"[render]\nworkers = 'x'")
    with pytest.raises(errors.InvalidConfigError, match=r"hfdask\.toml: workers"):
        hfdask.render(url, tmp_path / "out.mp4")


@pytest.mark.browser
def test_check_reads_the_project_s_file(project):
    source = project(**{"hfdask.toml": '[render]\nentry = "other.html"\n', "other.html": "<p>no composition"})
    (source / "index.html").unlink()
    assert hfdask.check(source).files[0].endswith("other.html")


PAIRS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "a scale and a resolution": ({"resolution": "4k"}, {"scale": 2}, {"scale": 2}),
    "a resolution and a scale": ({"scale": 2}, {"resolution": "4k"}, {"resolution": "4k"}),
    "a bit rate and a rate factor": ({"crf": 10}, {"bitrate": "8M"}, {"bitrate": "8M"}),
    "a rate factor and a bit rate": ({"bitrate": "8M"}, {"crf": 10}, {"crf": 10}),
    "a quality and a rate factor": ({"crf": 10}, {"quality": "draft"}, {"quality": "draft"}),
    "a quality and a bit rate": ({"bitrate": "8M"}, {"quality": "draft"}, {"quality": "draft"}),
    "a rate factor keeps the speed": (
        {"quality": "draft"},
        {"crf": 20},
        {"quality": "draft", "crf": 20},
    ),
    "a number of chunks and their size": ({"chunk_size": 10}, {"max_chunks": 2}, {"max_chunks": 2}),
    "a size of chunks and their number": ({"max_chunks": 2}, {"chunk_size": 10}, {"chunk_size": 10}),
    "a codec of another format": ({"format": "webm", "codec": "vp9"}, {"codec": "av1"}, {"codec": "av1"}),
    "a format without the codec": ({"codec": "h265"}, {"format": "webm"}, {"format": "webm"}),
    "a codec with other rate factors": ({"crf": 20}, {"codec": "av1"}, {"codec": "av1"}),
    "a format with the same codec": ({"crf": 20}, {"format": "hls"}, {"format": "hls", "crf": 20}),
    "a format without bit rates": ({"bitrate": "8M"}, {"format": "mov"}, {"format": "mov"}),
    "a format without alpha": ({"format": "webm", "alpha": True}, {"format": "mp4"}, {"format": "mp4"}),
    "a format with alpha, which is not wanted": (
        {"alpha": False},
        {"format": "webm"},
        {"format": "webm", "alpha": False},
    ),
    "a format with alpha, which a canvas does not give": ({"capture": "canvas"}, {"format": "mov"}, {"format": "mov"}),
    "a format without a loop count": ({"format": "gif", "loop": 2}, {"format": "mp4"}, {"format": "mp4"}),
    "a format without the codec of sound": (
        {"format": "mov", "sound_codec": "pcm"},
        {"format": "webm"},
        {"format": "webm"},
    ),
    "no value": ({"crf": 10}, {"bitrate": None}, {"crf": 10, "bitrate": None}),
}


@pytest.mark.parametrize("name", PAIRS)
def test_an_option_wins_over_the_options_of_the_file_that_it_excludes(name):
    under, over, left = PAIRS[name]
    assert merged(under, over) == left
    RenderConfig.of(merged(under, over))


def test_options_of_one_source_that_exclude_each_other_are_an_error():
    for options in ({"resolution": "4k", "scale": 2}, {"crf": 10, "bitrate": "8M"}, {"format": "mp4", "alpha": True}):
        with pytest.raises(errors.InvalidConfigError):
            RenderConfig.of(merged({"fps": 10}, options))
    with pytest.raises(errors.InvalidConfigError, match="format must be one of"):
        RenderConfig.of(merged({"crf": 10}, {"format": "avi"}))
    with pytest.raises(errors.InvalidConfigError, match="format is"):
        RenderConfig.of(merged({"crf": 10}, {"format": ["mp4"]}))


@pytest.mark.usefixtures("fake_browser")
def test_the_command_line_wins_over_a_config_and_a_file_and_a_row_over_its_batch(project, tmp_path):
    source = project(**{"hfdask.toml": '[render]\nresolution = "320x180"\nbitrate = "8M"\ncodec = "h265"\n'})
    run = CliRunner().invoke(main, ["plan", str(source), str(tmp_path / "a"), "--scale", "1", "--quality", "draft"])
    assert run.exit_code == 0, run.output
    manifest = hfdask.Plan.open(tmp_path / "a").manifest
    assert (manifest.width, manifest.height) == (160, 90)
    assert (manifest.encoder.codec, manifest.encoder.options["preset"]) == ("libx265", "ultrafast")
    assert "crf" in manifest.encoder.options
    manifest = hfdask.plan(source, tmp_path / "b", config=RenderConfig(resolution="640x360"), scale="3/2").manifest
    assert (manifest.width, manifest.height) == (240, 135)
    hfdask.render(source, tmp_path / "out.webm")
    rows = [{"hfdask.scale": 2}, {"hfdask.crf": 30}]
    batch = hfdask.render_batch(source, rows, f"{tmp_path}/{{index}}.mp4", bitrate="1M")
    batch.wait(60)
    assert [result.code for result in batch.results()] == ["", ""]
    with av.open(str(tmp_path / "0.mp4")) as one, av.open(str(tmp_path / "1.mp4")) as other:
        assert [video.streams.video[0].width for video in (one, other)] == [320, 320]
