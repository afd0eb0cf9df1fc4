"""Starts, durations and the length of the video (docs/compositions.md, 3), in the page's report."""

from __future__ import annotations

from pathlib import Path

import pytest
from page_samples import box, composition, open_html
from slow import sampled

pytestmark = pytest.mark.browser

# data-start, the start it means; `a` lasts from 1 to 3, `a-2` from 4 to 5, `open` starts at 6 and has no end.
STARTS = [
    ("1.5", 1.5),
    (" 1.5 ", 1.5),
    ("1e-1", 0.1),
    (".5", 0.5),
    ("+2", 2),
    ("-1", 0),
    ("a", 3),
    (" a ", 3),
    ("a-2", 5),
    ("a+2", 5),
    ("a + 0.5", 3.5),
    ("a - 0.5", 2.5),
    ("a -2", 1),
    ("a- 2", 1),
    ("a - 10", 0),
    ("a-2 - 2", 3),
    ("open", 6),
    ("open + 1", 7),
    ("inner", 2.5),
    ("scene", 9),
    ("nobody", 0),
    ("2s", 0),
    ("Infinity", 0),
    ("NaN", 0),
    ("a + .5", 0),
    ("a + 1s", 0),
    ("a + b", 0),
    ("a * 2", 0),
    ("", 0),
]


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    clips = "".join(f'<i id="case{i}" data-start="{text}"></i>' for i, (text, _) in enumerate(STARTS))
    body = f"""
      <i id="a" data-start="1" data-duration="2"></i>
      <i id="a-2" data-start="4" data-duration="1"></i>
      <i id="open" data-start="6"></i>
      <div data-composition-id="scene" data-start="7" data-duration="2" data-no-timeline>
        <i id="local" data-start="0.5" data-duration="1"></i>
        <i id="absolute" data-start="a"></i>
        <i id="ended" data-start="0.5" data-end="1.25"></i>
      </div>
      <div data-composition-id="inner" data-start="0.5" data-duration="2" data-no-timeline></div>
      <div data-composition-id="outer" data-start="a" data-no-timeline>
        <div id="heir" data-composition-id="heir" data-no-timeline data-start="">
          <i id="grandchild" data-start="1"></i>
        </div>
      </div>
      <i id="loop1" data-start="loop2 + 1" data-duration="1"></i>
      <i id="loop2" data-start="loop1 + 1" data-duration="1"></i>
      <i id="self" data-start="self + 4"></i>
      <i id="zero" data-start="1" data-duration="0"></i><i id="after-zero" data-start="zero"></i>
      <i id="seconds" data-start="1" data-duration="2s"></i><i id="after-seconds" data-start="seconds"></i>
      <i id="ending" data-start="1" data-end="2.5"></i><i id="after-ending" data-start="ending"></i>
      <i id="both" data-start="1" data-duration="1" data-end="9"></i><i id="after-both" data-start="both"></i>
      {clips}"""
    html = composition(body, root='data-duration="20" data-no-timeline')
    with open_html(tmp_path_factory.mktemp("starts"), html) as page:
        report = page.report()
    found = {clip["id"]: clip["start"] for clip in report["clips"]}
    return found | {f"{clip['id']}.end": clip["end"] for clip in report["clips"]} | {"warnings": report["warnings"]}


@pytest.mark.parametrize(("number", "text", "start"), [(i, *case) for i, case in enumerate(STARTS)])
def test_grammar_of_data_start(starts: dict[str, float], number: int, text: str, start: float) -> None:
    assert starts[f"case{number}"] == pytest.approx(start, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("local", 7.5),
        ("local.end", 8.5),
        ("absolute", 3),
        ("heir", 3),
        ("grandchild", 4),
        ("ended.end", 8.25),
        ("after-zero", 1),
        ("after-seconds", 1),
        ("after-ending", 2.5),
        ("after-both", 2),
        ("open.end", None),
        ("zero.end", None),
    ],
)
def test_hosts_and_ends(starts: dict[str, float], name: str, seconds: float | None) -> None:
    assert starts[name] == seconds


def test_cycles_end_and_are_told(starts: dict[str, float]) -> None:
    assert starts["self"] == 0
    assert {starts["loop1"], starts["loop2"]} == {2}
    warnings = starts["warnings"]
    assert any("cycle" in text and "loop" in text for text in warnings)
    assert any("nobody" in text for text in warnings)
    assert any("a * 2" in text for text in warnings)


def test_the_root_always_starts_at_zero(tmp_path: Path) -> None:
    html = composition('<i id="x" data-start="0.5"></i>', root='data-start="3" data-duration="1" data-no-timeline')
    with open_html(tmp_path, html) as page:
        assert page.report()["clips"] == [{"id": "x", "tag": "i", "start": 0.5, "end": None, "track": 0}]
        assert page.at(0, "root.style.visibility") == "visible"


TIMELINE = "window.__timelines.main = {time: 0, pause() {}, play() {}, duration: () => 3.5, seek(t) { this.time = t }};"
CHILD = """
  <div data-composition-id="kid" data-start="0.5" {}></div>
  <script>window.__timelines.kid = {{pause() {{}}, play() {{}}, duration: () => 2, seek() {{}}}};</script>"""
ENDLESS = "@keyframes f {from {opacity: 0}} #f {animation: f 1s infinite}"
WAAPI = "w.animate([{opacity: 0}, {opacity: 1}], {duration: 800, delay: 100})"
FADE = "@keyframes fade {from {opacity: 0}} #f {animation: fade 1.5s 0.25s}"


@pytest.mark.parametrize(
    ("root", "page_of", "seconds", "source"),
    sampled(
        [
            ('data-duration="2"', {"script": TIMELINE}, 2, "data-duration"),
            ('data-duration="2s" data-composition-duration="1.25"', {"script": TIMELINE}, 1.25, "data-duration"),
            ('data-duration="2" data-composition-duration="7"', {"script": TIMELINE}, 2, "data-duration"),
            ("", {"script": TIMELINE}, 3.5, "timeline"),
            ("data-no-timeline", {"body": '<i id="f"></i>', "style": FADE}, 1.75, "clips"),
            ("data-no-timeline", {"body": '<i id="f" data-start="1"></i>', "style": FADE}, 2.75, "clips"),
            ("", {"body": CHILD.format('data-duration="6"'), "script": TIMELINE}, 6.5, "clips"),
            ("", {"body": CHILD.format(""), "script": TIMELINE}, 3.5, "timeline"),
            ("data-no-timeline", {"body": CHILD.format("")}, 2.5, "timeline"),
            ("data-no-timeline", {"body": CHILD.format('data-duration="1"')}, 2.5, "timeline"),
            ("data-no-timeline", {"body": "<i data-start='0' data-duration='3'></i>"}, 0, "hosts"),
            ("data-no-timeline", {"body": '<i id="w"></i>', "script": WAAPI}, 0.9, "clips"),
            ("data-no-timeline", {"body": '<i id="f"></i>', "style": ENDLESS}, 0, "hosts"),
        ]
    ),
)
def test_length_of_the_video(tmp_path: Path, root: str, page_of: dict[str, str], seconds: float, source: str) -> None:
    with open_html(tmp_path, composition(**{"body": "", **page_of}, root=root)) as page:
        report = page.report()
        assert (report["duration"], report["source"]) == (pytest.approx(seconds, abs=1e-9), source)
        assert page.value("[__hf.duration, __player.getDuration()]") == [pytest.approx(seconds)] * 2


def test_authored_windows_of_child_compositions_move_but_still_bound(tmp_path: Path) -> None:
    body = box('id="kid" data-composition-id="kid" data-start="0.5" data-duration="0.5" data-no-timeline')
    with open_html(tmp_path, composition(body)) as page:
        assert page.value("[kid.dataset.duration ?? null, kid.dataset.hfAuthoredDuration]") == [None, "0.5"]
        assert page.report()["clips"][0]["end"] == 1
        assert [page.at(k, "kid.style.visibility") for k in (14, 15, 29, 30)] == [
            "hidden",
            "visible",
            "visible",
            "hidden",
        ]
