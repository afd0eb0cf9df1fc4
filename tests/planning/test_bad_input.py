"""Bad input: each with its typed error, its exit status, and nothing left at the output."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from samples import BOX
from slow import sampled

import hfdask
from hfdask import errors
from hfdask.cli import main

pytestmark = pytest.mark.browser

ROOT = '<div id="root" data-composition-id="c" data-width="160" data-height="90" {}></div>'
STATIC = ROOT.format('data-duration="1" data-no-timeline')


@pytest.fixture
def render(tmp_path):
    """Renders, expects this error, and checks that the output's folder holds nothing."""

    def run(source: Path, error: type[errors.HfdaskError], output: Path | None = None, **options) -> errors.HfdaskError:
        output = output or tmp_path / "out" / "video.mp4"
        with pytest.raises(error) as caught:
            hfdask.render(source, output, **options)
        assert caught.type is error
        assert not output.parent.is_dir() or not os.listdir(output.parent)
        return caught.value

    return run


def test_no_project(render, tmp_path):
    assert "no such folder" in render(tmp_path / "nowhere", errors.EntryNotFoundError).message


def test_no_entry_file(render, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "index.html" in render(tmp_path / "empty", errors.EntryNotFoundError).message


def test_a_project_that_is_a_video(render, tmp_path):
    video = tmp_path / "old.mp4"
    video.write_bytes(b"video")
    assert "old.mp4 is not a page" in render(video, errors.EntryNotFoundError).message


def test_an_entry_outside_of_the_project(render, project):
    source = project()
    (source.parent / "secret.html").write_text(STATIC)
    render(source, errors.EntryNotFoundError, entry="../secret.html")


def test_no_composition_root(render, project):
    assert "data-composition-id" in render(project("<p>hello</p>"), errors.RootNotFoundError).message


@pytest.mark.parametrize(
    "duration", ["0", "2s", *(pytest.param(text, marks=pytest.mark.slow) for text in ("-3", "none"))]
)
def test_no_usable_duration(duration, render, project):
    source = project(ROOT.format(f'data-duration="{duration}" data-no-timeline'))
    render(source, errors.DurationError)


def test_absurd_duration(render, project):
    assert "24 hours" in render(project(STATIC.replace('"1"', '"1e9"')), errors.DurationError).message


def test_endless_timeline(render, project):
    timeline = "window.__timelines = {c: {play() {}, pause() {}, seek() {}, duration: () => 1e12}}"
    render(project(ROOT.format("") + f"<script>{timeline}</script>"), errors.DurationError)


@pytest.mark.parametrize("size", ["8", "9000"])
def test_impossible_size(size, render, project):
    error = render(project(STATIC.replace('"160"', f'"{size}"')), errors.InvalidConfigError)
    assert error.details["field"] == "data-width"


def test_script_error_while_loading(render, project):
    error = render(project(STATIC + "<script>nonsense()</script>"), errors.ScriptError)
    assert "nonsense is not defined" in error.message


def test_script_syntax_error(render, project):
    render(project(STATIC + "<script>let let = 3</script>"), errors.ScriptError)


def test_script_error_at_a_frame(render, project):
    script = "function f(t) { if (t > 500) throw new Error('late'); requestAnimationFrame(f) } requestAnimationFrame(f)"
    error = render(project(STATIC + f"<script>{script}</script>"), errors.ScriptError, chunk_size=30)
    assert "at frame 16" in error.message
    assert "late" in error.message


def test_script_errors_can_be_warnings(project, tmp_path):
    source = project(STATIC + "<script>nonsense()</script>")
    video = hfdask.render(source, tmp_path / "out.mp4", page_errors="warn")
    assert any("nonsense" in warning for warning in video.warnings)


def test_a_timeline_that_never_comes(render, project):
    error = render(project(ROOT.format("")), errors.TimelineError)
    assert error.details["missing"] == ["c"]


def test_a_missing_timeline_with_a_length_is_a_warning(project, tmp_path):
    video = hfdask.render(project(ROOT.format('data-duration="1"')), tmp_path / "out.mp4")
    assert any("registered a timeline for c" in warning for warning in video.warnings)


@pytest.mark.parametrize(
    ("html", "name", "kind"),
    sampled(
        [
            ('<img src="lost.png">', "lost.png (as image)", errors.AssetError),
            ('<script src="lost.js"></script>', "lost.js (as script)", errors.AssetError),
            ('<link rel="stylesheet" href="lost.css">', "lost.css (as style)", errors.AssetError),
            (
                '<img src="https://nowhere.invalid/a.png?token=secret">',
                "https://nowhere.invalid/a.png (as image)",
                errors.AssetFetchError,
            ),
            (
                '<img src="http://127.0.0.1:1/a.png?token=secret">',
                "http://127.0.0.1:1/a.png (as image)",
                errors.AssetRefusedError,
            ),
        ]
    ),
)
def test_a_missing_asset(html, name, kind, render, project):
    error = render(project(STATIC + html), kind)
    assert f"{name} in index.html:1, <" in error.message
    assert "secret" not in error.message


def test_an_asset_in_a_folder_that_is_no_part_of_a_project(render, project):
    error = render(project(STATIC + '<img src="output/a.png">', **{"output/a.png": b""}), errors.AssetError)
    assert "output/a.png (as image) in index.html:1" in error.message
    assert "the folder output at the top of a project is left out" in error.message


def test_an_asset_that_goes_missing_at_a_frame(render, project):
    script = "addEventListener('hf-seek', e => { if (e.detail.time > .5) document.body.append(Object.assign(new Image(), {src: 'late.png'})) })"
    error = render(project(STATIC + f"<script>{script}</script>"), errors.AssetError, chunk_size=30)
    assert "late.png" in error.message


def test_a_missing_file_that_a_script_handles_is_a_message(project, tmp_path):
    source = project(STATIC + "<script>fetch('maybe.json').catch(() => 0)</script>")
    video = hfdask.render(source, tmp_path / "out.mp4")
    assert any("maybe.json" in warning for warning in video.warnings)


def test_a_link_out_of_the_project_is_not_served(render, project, tmp_path):
    (tmp_path / "secret.png").write_bytes(b"secret")
    source = project(STATIC + '<img src="link.png">')
    (source / "link.png").symlink_to(tmp_path / "secret.png")
    render(source, errors.AssetError)


def test_a_sound_that_cannot_be_used_is_not_left_out(render, project):
    sound = "<audio src='a.mp3' data-start='0'></audio>"
    render(project(STATIC.replace("</div>", sound + "</div>"), **{"a.mp3": b""}), errors.SoundSourceError)


def test_sub_compositions_that_cannot_be_used_are_all_told(render, project):
    files = {"empty.html": " \n", "plain.html": "<p>no composition</p>", "fine.html": "<p data-composition-id='fine'>"}
    files["outer.html"] = "<div data-composition-id='outer'><i data-composition-src='deep/gone.html'></i></div>"
    sources = ["gone.html", "empty.html", "plain.html", "fine.html", "outer.html", "__SCENE__", "{{scene}}.html"]
    hosts = "".join(f'<div data-composition-src="{source}" data-start="0"></div>' for source in sources)
    error = render(project(STATIC.replace("</div>", hosts + "</div>"), **files), errors.EmptyCompositionError)
    assert error.details["files"] == [
        "gone.html does not exist",
        "empty.html is empty",
        "plain.html has no element with a data-composition-id",
        "deep/gone.html does not exist",
    ]


def test_values_that_do_not_fit_are_errors_when_strict(render, project):
    declared = """data-composition-variables='[{"id": "size", "type": "number", "default": 1}]'"""
    folder = project(STATIC.replace("data-no-timeline", f"data-no-timeline {declared}", 1))
    given = {"size": "big", "colour": "red"}
    error = render(folder, errors.VariableError, variables=given, strict_variables=True)
    assert error.details["problems"] == [
        'variable "size" should be of type number',
        'variable "colour" is not declared by the composition',
    ]


@pytest.mark.parametrize(
    "options",
    [
        {"fps": "29.97"},
        {"fps": 0},
        {"quality": "best"},
        {"crf": 52},
        {"crf": 20, "bitrate": "8M"},
        {"bitrate": "fast"},
        {"chunk_size": 0},
        {"chunk_size": 4000},
        {"workers": -1},
        {"variables": {"a": float("nan")}},
        {"variables": [1]},
        {"capture": "film"},
        {"page_errors": "ignore"},
        {"load_timeout": 0},
        {"retries": -1},
        {"colour": "red"},
    ],
    ids=str,
)
def test_unknown_option_values(options, render, project):
    error = render(project(), errors.InvalidConfigError, **options)
    assert error.details["field"].partition(".")[0] in {*options, "bitrate"}


@pytest.mark.parametrize(
    ("output", "options", "field"),
    [
        ("out.webm", {}, "format"),
        ("out.mov", {}, "format"),
        ("out.m3u8", {}, "format"),
        ("out.mp4", {"codec": "h264"}, "codec"),
        ("out.mp4", {"codec": "av1"}, "codec"),
        ("out.mp4", {"alpha": True}, "alpha"),
    ],
    ids=str,
)
def test_hdr_in_what_has_none_is_refused_before_anything_is_rendered(output, options, field, project, tmp_path):
    with pytest.raises(errors.FormatNotSupportedError, match=r"in H\.265") as caught:
        hfdask.render(project(), tmp_path / output, hdr=True, **options)
    assert caught.value.details["field"] == field
    assert {path.name for path in tmp_path.iterdir()} == {"project"}


def test_hdr_is_not_captured_from_a_canvas(project, tmp_path):
    with pytest.raises(errors.InvalidConfigError, match="canvas") as caught:
        hfdask.render(project(), tmp_path / "out.mp4", hdr=True, capture="canvas")
    assert caught.value.details["field"] == "capture"


def test_an_output_that_is_no_mp4(render, project, tmp_path):
    render(project(), errors.InvalidConfigError, output=tmp_path / "out" / "video.avi")


@pytest.mark.parametrize("folder", ["file/below", "/proc/nowhere"])
def test_an_output_folder_that_cannot_be_written(folder, render, project, tmp_path):
    (tmp_path / "file").write_text("")
    render(project(), errors.OutputNotWritableError, output=tmp_path / folder / "video.mp4")


def test_no_browser(render, project, monkeypatch, tmp_path):
    monkeypatch.setenv("HFDASK_BROWSER", str(tmp_path / "no-such-browser"))
    assert "install-browser" in render(project(), errors.BrowserNotFoundError).message


def test_a_browser_that_is_none(render, project, monkeypatch, tmp_path):
    fake = tmp_path / "chrome-headless-shell"
    fake.write_text("#!/bin/sh\necho not a browser\n")
    fake.chmod(0o755)
    monkeypatch.setenv("HFDASK_BROWSER", str(fake))
    render(project(), errors.BrowserNotFoundError)


@pytest.mark.slow
def test_a_page_that_never_ends_loading(render, project):
    error = render(project(STATIC + "<script>for (;;) {}</script>"), errors.PageTimeoutError, load_timeout=2)
    assert "2 s" in error.message


def test_a_frame_that_never_ends(render, project):
    script = "addEventListener('hf-seek', e => { if (e.detail.time > .4) for (;;) {} })"
    source = project(STATIC + f"<script>{script}</script>")
    error = render(source, errors.PageTimeoutError, frame_timeout=2, retries=0, chunk_size=30)
    assert "frame 13" in error.message
    hfdask.render(project(BOX), source.parent / "next.mp4")  # the next render has a browser


def test_memory_urls_need_one_process(project, tmp_path):
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
        pytest.raises(errors.InvalidConfigError, match="memory://"),
    ):
        hfdask.render(project(), tmp_path / "out.mp4", client=client, plan_dir="memory://x")


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (["render", "{project}", "-o", "{out}/a.mp4", "--fps", "0"], 2, "INVALID_CONFIG"),
        (["render", "{out}/nowhere", "-o", "{out}/a.mp4"], 3, "ENTRY_NOT_FOUND"),
        (["render", "{project}", "-o", "/proc/x/a.mp4"], 5, "OUTPUT_NOT_WRITABLE"),
        (["chunk", "{out}/noplan", "0"], 1, "MISSING_PLAN_ARTIFACT"),
        (["still", "{project}", "-t", "99", "-o", "{out}/a.png"], 2, "INVALID_CONFIG"),
        (["render", "{project}", "-o", "{out}/a.mp4", "--scheduler", "nonsense"], 2, "INVALID_CONFIG"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_command_line_errors(arguments, status, code, project, tmp_path):
    paths = {"project": str(project()), "out": str(tmp_path)}
    result = CliRunner().invoke(main, [argument.format(**paths) for argument in arguments])
    assert result.exit_code == status
    assert result.stderr.startswith(f"{code}: ")
    assert result.stdout == ""


def test_no_browser_on_the_command_line(monkeypatch, project, tmp_path):
    monkeypatch.setenv("HFDASK_BROWSER", "/nowhere")
    result = CliRunner().invoke(main, ["render", str(project()), "-o", str(tmp_path / "a.mp4"), "--json"])
    assert result.exit_code == 4
    assert CliRunner().invoke(main, ["doctor"]).exit_code == 4
    report = json.loads(CliRunner().invoke(main, ["doctor", "--json"]).stdout)
    assert not report["ok"]
    assert os.listdir(tmp_path) == ["project"]
