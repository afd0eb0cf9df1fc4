"""Options: the same names and types in Python, as keywords, in ``hfdask.toml`` and on the command line."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import get_type_hints

import click
import pytest

import hfdask
from hfdask import errors
from hfdask.cli import main
from hfdask.config import JobConfig, PlanOptions, RenderConfig, RenderOptions

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
