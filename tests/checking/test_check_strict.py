"""Effects of a check's findings on the command line, a plan and a render."""

from __future__ import annotations

import json

import pytest
from check_samples import ROOT, page, write
from click.testing import CliRunner

import hfdask
from hfdask.checking.rules import RULES
from hfdask.cli import main
from hfdask.errors import CheckFailedError, InvalidConfigError

pytestmark = pytest.mark.browser

WARNING = page("<p data-start=0>a</p>")
ERROR = page("<p>a</p>", "let n = 0;\nrequestAnimationFrame(() => { n++; });")


def run(*arguments: object, status: int = 0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result


@pytest.mark.sample("flags1-0", "flags2-3")
@pytest.mark.parametrize(("flags", "status"), [([], 0), (["--strict"], 0), (["--strict-all"], 3)])
def test_strictness_decides_the_exit_status_of_warnings(flags, status, tmp_path):
    write(tmp_path, WARNING)
    run("check", tmp_path, *flags, status=status)


@pytest.mark.slow
def test_check_prints_findings_by_file(tmp_path):
    write(tmp_path, ERROR)
    said = run("check", tmp_path, "--strict", status=3).stdout
    assert said.startswith("index.html")
    assert "requestanimationframe_in_composition" in said
    assert RULES["requestanimationframe_in_composition"].remedy in said  # not cut to a terminal's width
    assert "1 error in 1 file" in said
    assert not any(line.endswith(" ") for line in said.splitlines())
    assert len(json.loads(run("check", tmp_path, "--json").stdout)["findings"]) == 1


@pytest.mark.parametrize(("files", "level"), [(ERROR, "strict"), (WARNING, "strict-all")])
def test_a_strict_plan_fails_before_there_is_a_plan(files, level, tmp_path):
    write(tmp_path / "project", files)
    with pytest.raises(CheckFailedError) as caught:
        hfdask.plan(tmp_path / "project", tmp_path / "plan", check=level)
    assert caught.value.code == "CHECK_FAILED"
    assert len(caught.value.details["findings"]) == 1
    assert not (tmp_path / "plan" / "plan.json").exists()


@pytest.mark.slow
def test_the_check_is_no_part_of_the_plan(tmp_path):
    write(tmp_path / "project", WARNING)
    plans = [hfdask.plan(tmp_path / "project", tmp_path / level, check=level) for level in ("report", "strict", "off")]
    assert len({made.hash for made in plans}) == 1
    assert [len(made.findings) for made in plans] == [1, 1, 0]
    assert [("check" in made.stages) for made in plans] == [True, True, True]


def test_unknown_levels_are_refused():
    with pytest.raises(InvalidConfigError, match="check must be one of report"):
        hfdask.RenderConfig(check="loud")  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_render_tells_the_findings_in_short(tmp_path):
    write(tmp_path / "project", page("<p data-start=0>a</p><p data-start=1>b</p>", root=ROOT.replace('"2"', '"0.2"')))
    out = tmp_path / "out.mp4"
    said = run("render", tmp_path / "project", "-o", out).stderr
    assert said.count("check: ") == 1
    assert "timed_element_missing_clip_class x 2 (index.html:8)" in said
    printed = run("render", tmp_path / "project", "-o", out, "--json")
    assert "check:" not in printed.stderr
    assert [finding["line"] for finding in json.loads(printed.stdout)["findings"]] == [8, 8]
    run("render", tmp_path / "project", "-o", tmp_path / "no.mp4", "--check", "strict-all", status=3)
    assert not (tmp_path / "no.mp4").exists()


def test_findings_stand_by_an_error_that_they_may_explain(tmp_path):
    write(tmp_path / "project", page('<img src="none.png">'))
    said = run("plan", tmp_path / "project", tmp_path / "plan", status=3).stderr
    assert "MISSING_ASSET" in said
    assert "check: error: missing_local_asset (index.html:8)" in said
