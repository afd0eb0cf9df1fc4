"""`hfdask check`: each code is found where it should be and nowhere else, and what findings do to a render."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from check_samples import CASES, ROOT, Case, Files, page
from click.testing import CliRunner
from samples import COMPOSITIONS, EXAMPLES, REPOSITORY

import hfdask
from hfdask.browser.mode import capture_mode
from hfdask.check import check_project, summary
from hfdask.cli import main
from hfdask.errors import CheckFailedError, EntryNotFoundError, InvalidConfigError
from hfdask.lint.assets import candidates, is_library
from hfdask.lint.page import open_lint_page
from hfdask.lint.rules import RULES
from hfdask.project import Project

pytestmark = pytest.mark.browser


def write(folder: Path, files: Files) -> tuple[str, int] | None:
    """Write a project; the answer is where its mark was."""
    marked = None
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
            continue
        for number, line in enumerate(content.split("\n"), 1):
            if "¶" in line:
                marked = (name, number)
        path.write_text(content.replace("¶", ""), "utf-8")
    return marked


Check = Callable[..., hfdask.CheckReport]


@pytest.fixture(scope="module")
def check() -> Iterator[Check]:
    """`hfdask.check`, in one page for all tests."""
    with open_lint_page(capture_mode("auto")) as page:
        yield lambda folder, **variables: check_project(Project.find(folder, "index.html"), page, variables)


def codes(report: hfdask.CheckReport) -> set[str]:
    return {finding.code for finding in report.findings}


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.code}{f' {case.name}' if case.name else ''}".replace(" ", "-")
)
def test_a_mistake_is_found_and_its_absence_is_not(case: Case, tmp_path: Path, check: Check):
    marked = write(tmp_path / "bad", case.bad)
    report = check(tmp_path / "bad", **case.variables or {})
    assert codes(report) == {case.code, *case.also}
    found = [finding for finding in report.findings if finding.code == case.code]
    assert {finding.severity for finding in found} == {case.severity}
    if marked:
        assert [(finding.file, finding.line) for finding in found] == [marked]
    assert all(finding.message and finding.remedy for finding in found)
    write(tmp_path / "good", case.good)
    assert codes(check(tmp_path / "good", **case.variables or {})) == set(case.still)


def test_every_code_has_a_case_and_a_line_in_the_table():
    assert {case.code for case in CASES} | {"expensive_image"} == set(RULES)
    table = (REPOSITORY / "docs" / "check.md").read_text("utf-8")
    for code, rule in RULES.items():
        assert any(f"`{code}`" in line and rule.severity in line for line in table.splitlines()), code


def test_a_huge_picture_is_found(tmp_path, check):
    noise = np.random.default_rng(1).integers(0, 255, (900, 1200, 3), np.uint8)
    codec = av.CodecContext.create("png", "w")
    codec.width, codec.height, codec.pix_fmt = 1200, 900, "rgb24"
    picture = b"".join(map(bytes, codec.encode(av.VideoFrame.from_ndarray(noise, "rgb24"))))
    write(tmp_path, page('¶<img src="a.png">', a_dot_png=picture))
    [finding] = check(tmp_path).findings
    assert finding.code == "expensive_image"
    assert "1200 x 900" in finding.message
    larger = ROOT.replace("320", "1280").replace("180", "720")
    write(tmp_path, page('<img src="a.png">', root=larger))
    assert check(tmp_path).findings == ()


@pytest.mark.parametrize("folder", sorted(EXAMPLES.glob("*/")), ids=lambda path: path.name)
def test_examples_have_no_findings(folder, check):
    assert check(folder).findings == ()


@pytest.mark.parametrize("folder", sorted(COMPOSITIONS.glob("*/")), ids=lambda path: path.name)
def test_compositions_of_the_tests_have_no_errors(folder, check):
    assert check(folder).errors == ()


def test_libraries_are_not_read_as_the_authors(tmp_path, check):
    code = "setInterval(() => { document.body.style.left = Math.random(); }, 10);"
    files = {"vendor__a_dot_js": code, "b_dot_min_dot_js": code, "c_dot_js": code * 200, "d_dot_js": code}
    tags = "".join(f'<script src="{name}"></script>' for name in ("vendor/a.js", "b.min.js", "c.js", "d.js"))
    write(tmp_path, page(more=tags, **files))
    assert {finding.file for finding in check(tmp_path).findings} == {"d.js"}


def test_nothing_of_a_project_runs_or_loads(tmp_path, check):
    script = "<script>parent.document.title = 'ran'; for (;;) {}</script><img src=x onerror='for (;;) {}'>"
    write(
        tmp_path,
        page(script, more="<script type=module>for (;;) {}</script><meta http-equiv=refresh content=0>", x=b""),
    )
    began = time.monotonic()
    assert check(tmp_path).findings == ()
    assert time.monotonic() - began < 10


def test_a_file_that_is_mounted_twice_is_reported_once(tmp_path, check):
    host = '<div data-composition-id="{}" data-composition-src="a.html" data-start="0" data-no-timeline></div>'
    bad = '<template><div data-composition-id="a" data-no-timeline><img src="none.png"></div></template>'
    write(tmp_path, page(host.format("a") + host.format("b"), a_dot_html=bad))
    [finding] = check(tmp_path).findings
    assert finding.place == "a.html:1"


def test_lines_are_right_among_elements_that_are_alike(tmp_path, check):
    lines = [
        "<p class=clip data-start=0>a</p>",
        "<p data-start=0>b</p>",
        "<!-- <p data-start=0> -->",
        "<p\n data-start='0'>c</p>",
    ]
    write(tmp_path, page("\n".join(lines)))
    first = page()["index.html"].split("\n").index(f'<div id="root" {ROOT}>') + 2
    assert [finding.line for finding in check(tmp_path).findings] == [first + 1, first + 3]


def test_carriage_returns_do_not_shift_lines(tmp_path, check):
    files = page("<p>a</p>", "let a;\n¶let b = ;")
    marked = write(tmp_path, files)
    html = tmp_path / "index.html"
    html.write_bytes(html.read_bytes().replace(b"\n", b"\r\n"))
    [finding] = check(tmp_path).findings
    assert (finding.file, finding.line) == marked


@pytest.mark.parametrize(
    ("url", "base", "paths"),
    [
        ("a.png", "index.html", ["a.png"]),
        ("./x/../a%20b.png?q#h", "s/index.html", ["s/a b.png"]),
        ("/a.png", "s/index.html", ["a.png"]),
        ("../../a.png", "s/index.html", ["a.png"]),
        ("https://x.example/a.png", "index.html", None),
        ("//x.example/a.png", "index.html", None),
        ("data:image/png;base64,AA", "index.html", None),
        ("#id", "index.html", None),
        ("?q", "index.html", None),
        ("http://[", "index.html", None),
    ],
)
def test_urls_are_resolved_as_a_browser_does(url, base, paths):
    assert candidates(url, base) == paths


def test_a_library_is_known_by_its_shape():
    assert is_library("node_modules/x/index.js", "")
    assert is_library("three.min.mjs", "")
    assert is_library("x.js", "a" * 6000)
    assert not is_library("liberty.js", "const a = 1;\n" * 1000)


def test_the_report_can_be_read_by_people_and_programs(tmp_path):
    write(tmp_path, page("¶<p data-start=0>a</p>", "let a = ;"))
    report = hfdask.check(tmp_path)
    document = json.loads(report.to_json())
    assert [finding["code"] for finding in document["findings"]] == [finding.code for finding in report.findings]
    assert document["files"] == ["index.html"]
    assert "1 error and 1 warning in 1 file" in repr(report)
    assert "<table>" in report._repr_html_()
    assert "&lt;p data-start" in report._repr_html_()
    assert [line.split(" ")[:2] for line in summary(report.findings)] == [
        ["error:", "invalid_inline_script_syntax"],
        ["warning:", "timed_element_missing_clip_class"],
    ]


def test_a_missing_entry_is_a_typed_error(tmp_path):
    with pytest.raises(EntryNotFoundError):
        hfdask.check(tmp_path)


WARNING = page("<p data-start=0>a</p>")
ERROR = page("<p>a</p>", "let n = 0;\nrequestAnimationFrame(() => { n++; });")


def run(*arguments: object, status: int = 0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result


@pytest.mark.parametrize(
    ("files", "flags", "status"),
    [
        (page(), ["--strict-all"], 0),
        (WARNING, ["--strict"], 0),
        (WARNING, ["--strict-all"], 3),
        (ERROR, [], 0),
        (ERROR, ["--strict"], 3),
    ],
)
def test_strictness_decides_the_exit_status(files, flags, status, tmp_path):
    write(tmp_path, files)
    run("check", tmp_path, *flags, status=status)


def test_check_prints_findings_by_file(tmp_path):
    write(tmp_path, ERROR)
    said = run("check", tmp_path).stdout
    assert said.startswith("index.html")
    assert "requestanimationframe_in_composition" in said
    assert "1 error in 1 file" in said
    assert len(json.loads(run("check", tmp_path, "--json").stdout)["findings"]) == 1


@pytest.mark.parametrize(("files", "level"), [(ERROR, "strict"), (WARNING, "strict-all")])
def test_a_strict_plan_fails_before_anything_is_made(files, level, tmp_path):
    write(tmp_path / "project", files)
    with pytest.raises(CheckFailedError) as caught:
        hfdask.plan(tmp_path / "project", tmp_path / "plan", check=level)
    assert caught.value.code == "CHECK_FAILED"
    assert len(caught.value.details["findings"]) == 1
    assert not (tmp_path / "plan").exists()


def test_the_check_is_no_part_of_the_plan(tmp_path):
    write(tmp_path / "project", WARNING)
    plans = [hfdask.plan(tmp_path / "project", tmp_path / level, check=level) for level in ("report", "strict", "off")]
    assert len({made.hash for made in plans}) == 1
    assert [len(made.findings) for made in plans] == [1, 1, 0]
    assert [("check" in made.stages) for made in plans] == [True, True, True]


def test_unknown_levels_are_refused():
    with pytest.raises(InvalidConfigError, match="check must be one of report"):
        hfdask.RenderConfig(check="loud")


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
