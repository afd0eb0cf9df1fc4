"""Animations of scroll and view timelines are the scroll position's, and do not keep others from the frame's time."""

from __future__ import annotations

from pathlib import Path

import pytest
from page_samples import BLUE, RED, Page, composition, open_html
from slow import sampled

pytestmark = pytest.mark.browser

# A scroller of 8 px with 100 px to scroll, and a red box on it that goes right by 1 px for each of them; the blue box below
# goes right by 1 px in 50 ms.
STYLE = """#box {position: absolute; left: 0; top: 0; width: 8px; height: 8px; overflow: hidden; scroll-timeline: --box block}
  #tall {height: 108px} #root {timeline-scope: --box}
  .mark {position: absolute; top: 20px; left: 0; width: 4px; height: 8px; background: #f00}
  #plain {position: absolute; top: 40px; left: 0; width: 4px; height: 8px; background: #00f; animation: go 2s linear both}
  @keyframes go {from {transform: translateX(0)} to {transform: translateX(40px)}}"""
BODY = '<div id="box"><div id="tall"></div></div><i class="mark" id="mark"></i><i id="plain"></i>'
SCROLL = "addEventListener('hf-seek', ({detail}) => { box.scrollTop = detail.time * 50 });"
WAYS = {
    "a named timeline in CSS": ("#mark {animation: go auto linear both; animation-timeline: --box}", ""),
    "a ScrollTimeline": (
        "",
        "mark.animate({transform: ['translateX(0)', 'translateX(40px)']}, {fill: 'both', timeline: new ScrollTimeline({source: box})});",
    ),
    "a new Animation of a ScrollTimeline": (
        "",
        """new Animation(new KeyframeEffect(mark, {transform: ['translateX(0)', 'translateX(40px)']}, {fill: 'both'}),
          new ScrollTimeline({source: box})).play();""",
    ),
    "a ViewTimeline": (
        "",
        """mark.animate({transform: ['translateX(0)', 'translateX(40px)']},
          {fill: 'both', timeline: new ViewTimeline({subject: tall}), rangeStart: 'contain 0%', rangeEnd: 'contain 100%'});""",
    ),
}


def left(page: Page, frame: int) -> tuple[int, int]:
    """Return the left edges of the red and the blue box."""
    picture = page.pixels(frame)
    red, blue = ([tuple(colour) for colour in picture[y]] for y in (24, 44))
    return red.index(RED), blue.index(BLUE)


@pytest.mark.sample("a named timeline in CSS")
@pytest.mark.parametrize("way", sampled(WAYS, one_of=2))
def test_the_scroll_position_drives_its_animations_and_time_the_others(tmp_path: Path, way: str) -> None:
    style, script = WAYS[way]
    expected = {0: (0, 0), 15: (10, 10), 30: (20, 20), 45: (30, 30)}
    with open_html(tmp_path, composition(BODY, script + SCROLL, style=STYLE + style)) as page:
        assert {frame: left(page, frame) for frame in expected} == expected
        assert left(page, 15) == (10, 10)
        assert page.report()["warnings"] == []
    digests = []
    for first in (0, 20):
        with open_html(tmp_path, composition(BODY, script + SCROLL, style=STYLE + style)) as page:
            digests.append(page.digests(first, 30)[-10:])
    assert digests[0] == digests[1]


def test_events_of_scroll_driven_animations_are_the_browsers(tmp_path: Path) -> None:
    style = "#mark {animation: go auto linear; animation-timeline: --box; animation-range: 10% 50%}"
    script = """const log = []; for (const type of ['start', 'end'])
      mark.addEventListener('animation' + type, (event) => log.push(type + event.isTrusted));"""
    with open_html(tmp_path, composition(BODY, script + SCROLL, style=STYLE + style)) as page:
        page.frames(0, 40)
        assert page.value("log") == ["starttrue", "endtrue"]


@pytest.mark.parametrize(
    "change",
    [
        "mark.style.animationTimeline = '--box'",
        "mark.getAnimations()[0].timeline = new ScrollTimeline({source: box})",
    ],
)
def test_an_animation_that_gets_a_scroll_timeline_later_follows_it_from_then_on(tmp_path: Path, change: str) -> None:
    script = f"addEventListener('hf-seek', ({{detail}}) => {{ if (detail.time >= 0.5 && detail.time < 0.52) {{ {change} }} }});"
    style = "#mark {animation: go 2s linear both}"
    with open_html(tmp_path, composition(BODY, script + SCROLL, style=STYLE + style)) as page:
        assert left(page, 12) == (8, 8)
        page.seek(15)
        page.seek(16)
        page.value("document.getElementById('plain').style.animationPlayState = 'paused'")
        assert left(page, 30)[0] == 20
        assert left(page, 45)[0] == 30
        assert page.report()["warnings"] == []


def test_an_animation_without_end_that_is_set_backwards(tmp_path: Path) -> None:
    script = """const back = new Animation(new KeyframeEffect(mark, {transform: ['translateX(0)', 'translateX(40px)']},
        {duration: 1000, iterations: Infinity}));
      back.playbackRate = -1; back.currentTime = 2000; back.play();"""
    with open_html(tmp_path, composition(BODY, script, style=STYLE)) as page:
        assert [left(page, frame)[0] for frame in (6, 15, 36)] == [32, 20, 32]
        assert page.report()["warnings"] == []
