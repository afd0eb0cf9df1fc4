"""`hfdask.check`: each code is found in its place, and nowhere else."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from check_samples import CASES, ROOT, Case, page, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import COMPOSITIONS, EXAMPLES, REPOSITORY

import hfdask
from hfdask.browser.capabilities import capture_mode
from hfdask.checking.assets import candidates, is_library
from hfdask.checking.check import check_project
from hfdask.checking.page import open_lint_page
from hfdask.checking.rules import RULES
from hfdask.config import RenderConfig
from hfdask.errors import EntryNotFoundError
from hfdask.project.files import Project

pytestmark = pytest.mark.browser


Check = Callable[..., hfdask.CheckReport]


@pytest.fixture(scope="module")
def check() -> Iterator[Check]:
    """`hfdask.check`, in one page for all tests."""
    with open_lint_page(capture_mode("auto")) as page:
        yield lambda folder, **variables: check_project(
            Project.find(folder, "index.html"), page, RenderConfig(variables=variables)
        )


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
    assert {case.code for case in CASES} | {"expensive_image", "document_too_large"} == set(RULES)
    table = (REPOSITORY / "docs" / "check.md").read_text("utf-8")
    for code, rule in RULES.items():
        assert any(f"`{code}`" in line and rule.severity in line for line in table.splitlines()), code


def test_a_huge_document_is_not_checked_and_that_is_told(tmp_path, check):
    write(
        tmp_path,
        page(
            f'¶<div data-composition-id="x" data-composition-src="x.html"></div><!--{"x" * 1000}-->',
            x_dot_html="x" * 2_100_000,
        ),
    )
    [finding] = check(tmp_path).findings
    assert (finding.code, finding.file) == ("document_too_large", "x.html")


def test_a_huge_picture_is_found(tmp_path, check):
    noise = np.random.default_rng(1).integers(0, 255, (900, 1200, 3), np.uint8)
    codec = av.CodecContext.create("png", "w")
    codec.width, codec.height, codec.pix_fmt = 1200, 900, "rgb24"
    picture = b"".join(map(bytes, codec.encode(av.VideoFrame.from_ndarray(noise, "rgb24"))))
    write(tmp_path, page('¶<img src="a.png">', a_dot_png=picture))
    [finding] = check(tmp_path).findings
    assert finding.code == "expensive_image"
    assert "1200 x 900" in finding.message
    assert hfdask.check(tmp_path, scale=4).findings == ()
    larger = ROOT.replace("320", "1280").replace("180", "720")
    write(tmp_path, page('<img src="a.png">', root=larger))
    assert check(tmp_path).findings == ()


@pytest.mark.sample("data", "gsap", "title", "webgl")
@pytest.mark.parametrize("folder", sorted(EXAMPLES.glob("*/")), ids=lambda path: path.name)
def test_examples_have_no_findings(folder, check):
    assert check(folder).findings == ()


# These prove that hfdask bears wrong pages.
BORNE = {"sub_nested": {"sub_composition_cycle"}, "sub_template": {"duplicate_composition_id"}}


@pytest.mark.parametrize("folder", sorted(COMPOSITIONS.glob("*/")), ids=lambda path: path.name)
def test_compositions_of_the_tests_have_no_errors(folder, check):
    assert {finding.code for finding in check(folder).errors} == BORNE.get(folder.name, set())


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


def test_what_lies_on_the_network_is_not_judged(check, tmp_path):
    away = "https://a.example/x"
    head = f'<link rel="stylesheet" href="{away}.css"><style>@import "{away}.css";</style><script src="{away}/gsap.js"></script>'
    body = f'<img src="{away}.png" srcset="{away}.png 2x"><iframe src="{away}.html"></iframe><object data="//a.example/x"></object>'
    write(tmp_path, page(body, "gsap.set(a, {});", head=head))
    assert check(tmp_path).findings == ()


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
    assert [line.split(" ")[:2] for line in hfdask.Finding.summary(report.findings)] == [
        ["error:", "invalid_inline_script_syntax"],
        ["warning:", "timed_element_missing_clip_class"],
    ]


SOUP = st.lists(
    st.sampled_from(
        [
            "<p",
            "<![x[",
            "<!",
            "-->",
            "<!--",
            "<video",
            "<template>",
            "</template>",
            "<svg>",
            "<style>",
            "</style>",
            "@import",
            "{",
            "url(",
            ' data-start="a"',
            " data-composition-id=a",
            " data-composition-src=a.html",
            ' data-composition-variables="[1]"',
            " srcset=','",
            "<script>",
            "</script>",
            "let a = `${",
            "requestAnimationFrame(",
            "<frameset>",
            "<table><tr><p>",
            ">",
            "/>",
            "\n",
            "&",
            "é",
        ]
    )
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SOUP, SOUP)
def test_any_text_can_be_checked(check, tmp_path, entry, mounted):
    write(tmp_path, {"index.html": "".join(entry), "a.html": "".join(mounted)})
    assert check(tmp_path).project == str(tmp_path)


def test_a_missing_entry_is_a_typed_error(tmp_path):
    with pytest.raises(EntryNotFoundError):
        hfdask.check(tmp_path)
