"""The page reports ids, sources, windows and rates of its videos (docs/compositions.md, 9)."""

from __future__ import annotations

import json
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from page_samples import composition, open_html
from slow import sampled

from hfdask.core.video_clip import RatePoint, natural_length

pytestmark = pytest.mark.browser

ROOT = 'data-duration="10" data-no-timeline'


def videos(
    tmp_path: Path,
    body: str,
    script: str = "",
    files: dict[str, str | bytes] | None = None,
    *,
    root: str = ROOT,
    durations: dict[str, float] | None = None,
    **settings: Any,
) -> dict[str, dict[str, Any]]:
    page_html = composition(body, script, root=root)
    with open_html(tmp_path, page_html, files, durations=durations or {}, **settings) as page:
        return {video["id"]: video for video in page.value("__hfdask.media().videos") if video["start"] < video["end"]}


def video(attributes: str, id: str = "v", src: str = "a.mp4") -> str:
    return f'<video id="{id}" src="{src}" {attributes}></video>'


def window(told: dict[str, Any]) -> tuple[float, float]:
    return told["start"], told["end"]


@pytest.mark.parametrize(
    ("attributes", "start", "end", "origin"),
    sampled(
        [
            ('data-start="1" data-duration="2"', 1, 3, 1),
            ('data-start="1" data-end="4"', 1, 4, 1),
            ('data-start="1"', 1, 10, 1),  # the end of the whole video: the last frame stays
            ('data-start="9" data-duration="5"', 9, 10, 9),
            ('data-start="-2" data-duration="5"', 0, 3, -2),
            ('data-start="b + 0.5" data-duration="1"', 2.5, 3.5, 2.5),
            ('data-start="2s" data-duration="1"', 0, 1, 0),
            ('data-start="0.33333" data-duration="0.33333"', 1 / 3, 2 / 3, 0.33333),
        ]
    ),
)
def test_windows(tmp_path: Path, attributes: str, start: float, end: float, origin: float) -> None:
    body = video(attributes) + '<i id="b" data-start="1" data-duration="1"></i>'
    told = videos(tmp_path, body)["v"]
    assert (*window(told), told["origin"]) == (start, end, origin)


@pytest.mark.parametrize(
    "attributes", ['data-start="10"', 'data-start="3" data-end="-1"', 'data-start="-3" data-duration="2"']
)
def test_a_video_that_never_shows_is_left_out(tmp_path: Path, attributes: str) -> None:
    body = video(attributes) + '<video id="empty" data-start="0"></video>' + video('data-start="0"', "w")
    left = {"v"} if "data-end" in attributes else set()  # an end before the start does not count
    assert set(videos(tmp_path, body)) == {"w"} | left


def test_a_window_is_cut_to_those_around_it(tmp_path: Path) -> None:
    inner = (
        f'<div data-start="1" data-duration="4"><p data-start="2" data-duration="9">{video("data-start=0")}</p></div>'
    )
    told = videos(tmp_path, inner)["v"]
    assert (*window(told), told["origin"]) == (2, 5, 0)


SCENE = '<template><div data-composition-id="s" data-width="64" data-height="64">{}</div></template>'
HOST = '<div id="h" data-composition-id="s" data-composition-src="s.html" {}></div>'


@pytest.mark.parametrize(
    ("host", "inner", "start", "end", "origin", "pace"),
    sampled([  # numbers count from the host; references and numbers with the global basis do not
        ('data-start="5" data-duration="2"', 'data-start="0" data-duration="4"', 5, 7, 5, 1),
        ('data-start="5" data-duration="2"', 'data-start="6" data-duration="1"', None, None, 11, 1),
        ('data-start="5" data-duration="4"', 'data-start="6" data-duration="1" data-hf-media-start-basis=" Global "', 6, 7, 6, 1),
        ('data-start="5" data-duration="4"', 'data-start="1" data-hf-media-start-basis="other"', 6, 9, 6, 1),
        ('data-start="5" data-duration="4"', 'data-start="b" data-duration="9"', 6, 9, 6, 1),
        # in-points and rates of hosts
        ('data-start="5" data-duration="2" data-playback-start="1.5"', 'data-start="1" data-duration="4"', 5, 7, 4.5, 1),
        ('data-start="0" data-duration="2" data-playback-start="1.5"', 'data-start="1" data-duration="4"', 0, 2, -0.5, 1),
        ('data-start="5" data-duration="2" data-media-start="1.5"', 'data-start="2" data-duration="1"', 5.5, 6.5, 5.5, 1),
        ('data-start="5" data-duration="2" data-playback-rate="2"', 'data-start="0" data-duration="4"', 5, 7, 5, 2),
        ('data-start="5" data-duration="2" data-playback-rate="2" data-playback-start="1.5"', 'data-start="1" data-duration="4"', 5, 6.75, 4.75, 2),
        ('data-start="5" data-duration="4" data-playback-rate="2"', 'data-start="b" data-duration="1"', 6, 7, 6, 1),
        ('data-start="5" data-duration="2" data-playback-start="3"', 'data-start="0" data-duration="2"', None, None, 2, 1),
    ]),
)  # fmt: skip
def test_videos_in_hosts(
    tmp_path: Path, host: str, inner: str, start: float | None, end: float | None, origin: float, pace: float
) -> None:
    body = HOST.format(host) + '<i id="b" data-start="5" data-duration="1"></i>'
    told = videos(tmp_path, body, files={"s.html": SCENE.format(video(inner))}).get("v")
    assert (told is None) == (start is None)
    if told is not None:
        assert (*window(told), told["origin"], told["pace"]) == pytest.approx((start, end, origin, pace))


def test_hosts_in_hosts_multiply_their_rates(tmp_path: Path) -> None:
    inner = '<div data-composition-id="t" data-composition-src="t.html" data-start="0" data-duration="4" data-playback-rate="0.5"></div>'
    files: dict[str, str | bytes] = {
        "s.html": SCENE.format(inner),
        "t.html": SCENE.replace('"s"', '"t"').format(video("data-start=1")),
    }
    outer = HOST.format('data-start="1" data-duration="8" data-playback-rate="4"')
    told = videos(tmp_path, outer, files=files)["v"]
    # the inner host begins at 1, and its second 1 is the outer's second 2, at 1 + 2 / 4
    assert (told["origin"], told["pace"], told["end"]) == (1.5, 2.0, 2.0)


def test_ids_are_unique_on_the_page_and_sources_count_from_their_files(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "scenes/s.html": SCENE.format(video("", src="../a.mp4") + video("", "", "b.mp4") + "<video src=c.mp4></video>"),
        "scenes/b.mp4": b"",
    }
    host = HOST.replace("s.html", "scenes/s.html")
    told = videos(tmp_path, video("") + "<video src=d.mp4></video>" + host * 2, files=files)
    assert {id: each["file"] for id, each in told.items()} == {
        "v": "a.mp4",
        "hf-video-0": "d.mp4",
        "v__hf2": "a.mp4",
        "hf-video-1": "scenes/b.mp4",
        "hf-video-2": "c.mp4",
        "v__hf3": "a.mp4",
        "hf-video-3": "scenes/b.mp4",
        "hf-video-4": "c.mp4",
    }


def test_names_do_not_depend_on_what_had_loaded_when_the_host_asked(tmp_path: Path) -> None:
    script = """__hfdask.status();
      document.querySelector('video').before(Object.assign(document.createElement('video'), {src: 'b.mp4'}))"""
    body = (
        f'<iframe src="f.html"></iframe><video src="a.mp4"></video><script>{script}</script><video src="c.mp4"></video>'
    )
    files: dict[str, str | bytes] = {"f.html": "<video src=d.mp4></video>"}
    told = videos(tmp_path, body, files=files)
    assert {name: each["file"] for name, each in told.items()} == {
        "hf-video-0": "b.mp4",
        "hf-video-1": "a.mp4",
        "hf-video-2": "c.mp4",
        "hf-frame-video-0": "d.mp4",
    }


def test_a_copy_of_a_video_has_an_id_of_its_own(tmp_path: Path) -> None:
    with open_html(tmp_path, composition(video("data-start=0"), root=ROOT)) as page:
        assert [each["id"] for each in page.value("__hfdask.media().videos")] == ["v"]
        page.value("{const v = document.querySelector('video'); v.after(v.cloneNode())}")
        assert [each["id"] for each in page.value("__hfdask.media().videos")] == ["v", "v__hf2"]
        assert page.value("[...document.querySelectorAll('video')].map(__hfMediaId)") == ["v", "v__hf2"]
        assert page.value("__hfMediaEl('v__hf2') === document.querySelectorAll('video')[1]")


@pytest.mark.parametrize(
    ("markup", "file"),
    sampled(
        [
            ('<video id="v" src="x/a%20b.mp4?x=1#t=2"></video>', "x/a b.mp4"),
            ('<video id="v" src="/a.mp4"><source src="b.mp4"></video>', "a.mp4"),
            ('<video id="v"><source src="https://h.example/a.mp4"><source src="b.mp4"></video>', "b.mp4"),
            ('<video id="v"><source><source src="../../b.webm" type="video/webm"></video>', "b.webm"),
            ('<video id="v"><source src="https://h.example/a.mp4"></video>', None),
            ('<video id="v" data-var-src="clip"></video>', "given.mp4"),
        ],
        one_of=2,
    ),
)
def test_sources(tmp_path: Path, markup: str, file: str | None) -> None:
    told = videos(tmp_path, markup, variables={"clip": "given.mp4"})["v"]
    assert told["file"] == file
    assert file is not None or told["url"] == "https://h.example/a.mp4"


def test_sources_that_scripts_set_and_videos_that_they_make(tmp_path: Path) -> None:
    script = """
      v.src = 'set.mp4';
      const made = Object.assign(document.createElement('video'), {id: 'made', src: 'made.mp4'});
      made.dataset.start = '2';
      root.append(made);"""
    told = videos(tmp_path, video("data-start=0"), script)
    assert {id: (each["file"], each["start"]) for id, each in told.items()} == {
        "v": ("set.mp4", 0),
        "made": ("made.mp4", 2),
    }


def test_videos_in_shadow_trees_and_frames(tmp_path: Path) -> None:
    tree = f'<div><template shadowrootmode="open">{video("data-start=1", "in-tree")}</template></div>'
    frame = '<iframe src="inner/f.html"></iframe>'
    held = f'<div data-start="2" data-duration="3">{tree}{frame}</div>'
    files: dict[str, str | bytes] = {"inner/f.html": video("data-start=4", "in-frame")}
    told = videos(tmp_path, held, files=files)
    assert {id: (each["file"], *window(each)) for id, each in told.items()} == {
        "in-tree": ("a.mp4", 2, 5),
        "in-frame": ("inner/a.mp4", 4, 5),
    }


@pytest.mark.parametrize(
    ("attributes", "rate"),
    sampled(
        [
            ("", 1),
            ('data-playback-rate="0.5"', 0.5),
            ('data-playback-rate="12"', 10),
            ('data-playback-rate="0.01"', 0.1),
            ('data-playback-rate="0"', 1),
            ('data-playback-rate="fast"', 1),
        ]
    ),
)
def test_rates(tmp_path: Path, attributes: str, rate: float) -> None:
    assert videos(tmp_path, video(attributes))["v"]["rate"] == rate


def test_a_script_may_set_the_default_rate(tmp_path: Path) -> None:
    assert videos(tmp_path, video(""), "v.defaultPlaybackRate = 2")["v"]["rate"] == 2
    assert videos(tmp_path, video("data-playback-rate=3"), "v.defaultPlaybackRate = 2")["v"]["rate"] == 3


def test_in_points_loops_and_sound(tmp_path: Path) -> None:
    body = (
        video('data-media-start="1" data-playback-start="2" loop', "a")
        + video('data-media-start="1" data-playback-start="-2" muted', "b")
        + video('data-media-start="-1" data-has-audio="false"', "c")
    )
    told = videos(tmp_path, body)
    facts = [(each["mediaStart"], each["loop"], each["muted"], each["declaresSound"]) for each in told.values()]
    assert facts == [(2, True, False, True), (1, False, True, True), (0, False, False, False)]


def ramp(*points: dict[str, Any], version: Any = 1, target: str = "rate") -> str:
    return json.dumps({"version": version, "lanes": [{"target": target, "points": points}]})


def test_ramps_are_put_in_order_and_cut_to_their_limits(tmp_path: Path) -> None:
    text = ramp(
        {"t": 2, "v": 50},
        {"t": -1, "v": 0.5, "curve": 3},
        {"t": "1", "v": " 2 ", "viaX": 0.2, "viaY": 5},
        {"t": None, "v": 1},
        {"t": [], "v": 1},
        {"t": "", "v": 1},
        {"t": 2, "v": 4, "viaX": 0.5, "viaY": 0.5},
    )
    told = videos(tmp_path, video(f"data-automation='{text}'"))["v"]
    assert told["problem"] == ""
    assert told["ramp"] == [
        {"t": 0, "v": 0.5, "curve": 1, "via": None},
        {"t": 1, "v": 2, "curve": 0, "via": [0.2, 0.999]},
        {"t": 2, "v": 4, "curve": 0, "via": None},
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    sampled(
        [
            ("{", "JSON"),
            ("3", "JSON"),
            (ramp(version=2), "version 2"),
            ('{"version": 1}', "lanes"),
            (ramp(target="speed"), "target"),
            ('{"version": 1, "lanes": [{"target": "rate"}]}', "points"),
        ]
    ),
)
def test_automation_that_cannot_be_read_is_never_skipped(tmp_path: Path, text: str, problem: str) -> None:
    assert problem in videos(tmp_path, video(f"data-automation='{text}'"))["v"]["problem"]


def test_lanes_of_sound_are_no_ramp(tmp_path: Path) -> None:
    told = videos(tmp_path, video(f"data-automation='{ramp({'t': 0, 'v': 3}, target='volume')}'"))["v"]
    assert (told["ramp"], told["problem"]) == ([], "")


CHAIN = (
    video('data-start="1" data-media-start="0.5" data-playback-rate="2"', "one")
    + video('data-start="one" data-duration="1"', "two")
    + video('data-start="two + 0.25"', "three")
)


def test_clips_after_a_video_without_a_duration_begin_where_its_source_ends(tmp_path: Path) -> None:
    told = videos(tmp_path, CHAIN, durations={"one": 4.5, "two": 9.0})
    assert [each["start"] for each in told.values()] == [1, 3, 4.25]
    assert told["one"]["end"] == 10  # until then it shows its last frame


def test_durations_that_come_late_move_what_follows(tmp_path: Path) -> None:
    with open_html(tmp_path, composition(CHAIN, root=ROOT)) as page:
        assert [each["start"] for each in page.value("__hfdask.media().videos")] == [1, 1, 2.25]
        page.value("__hfdask.knowDurations({one: 4.5})")
        assert [each["start"] for each in page.value("__hfdask.media().videos")] == [1, 3, 4.25]
        assert [page.at(frame, "two.style.visibility") for frame in (89, 90, 119, 120)] == [
            "hidden",
            "visible",
            "visible",
            "hidden",
        ]


def test_the_video_is_as_long_as_its_media(tmp_path: Path) -> None:
    body = video('data-start="1"') + video("", "bare")
    with open_html(tmp_path, composition(body, root="data-no-timeline"), durations={"v": 2.5, "bare": 3.0}) as page:
        report = page.report()
        assert (report["duration"], report["source"]) == (3.5, "clips")
        assert [window(each) for each in page.value("__hfdask.media().videos")] == [(1, 3.5), (0, 3.5)]


@pytest.mark.parametrize("seed", sampled(range(6)))
def test_the_natural_length_of_a_ramp_is_the_one_that_frames_follow(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    points: list[dict[str, Any]] = [
        {"t": t / 10, "v": round(chance.uniform(0.1, 4), 2), "curve": round(chance.uniform(-1, 1), 2)}
        for t in sorted(chance.sample(range(30), 4))
    ]
    points[0] |= {"viaX": 0.2, "viaY": 0.9}
    points[1] |= {"viaX": 0.97, "viaY": 0.3}
    body = video(f"data-start=0 data-media-start=0.25 data-automation='{ramp(*points)}'") + video(
        'data-start="v" data-duration="1"', "next"
    )
    root = 'data-duration="1000" data-no-timeline'
    told = videos(tmp_path, body, root=root, durations={"v": 6.0})
    read = tuple(
        RatePoint(t=p["t"], v=p["v"], curve=p["curve"], via=p["via"] and tuple(p["via"])) for p in told["v"]["ramp"]
    )
    assert told["next"]["origin"] == pytest.approx(float(natural_length(0.25, 1.0, read, 1.0, Fraction(6))), abs=1e-9)


def test_bare_videos_are_clips_of_their_composition(tmp_path: Path) -> None:
    body = "<video id=v src=a.mp4></video>" + HOST.format('data-start="3" data-duration="2"')
    files: dict[str, str | bytes] = {"s.html": SCENE.format("<video id=w src=a.mp4></video>")}
    with open_html(tmp_path, composition(body, root=ROOT), files) as page:
        told = {each["id"]: each for each in page.value("__hfdask.media().videos")}
        assert {id: (*window(each), each["auto"]) for id, each in told.items()} == {
            "v": (0, 10, True),
            "w": (3, 5, True),
        }
        assert page.value("[getComputedStyle(v).position, v.dataset.start, 'hfAutoStart' in v.dataset]") == [
            "absolute",
            "0",
            True,
        ]
        assert [page.at(frame, "w.style.visibility") for frame in (89, 90, 149, 150)] == [
            "hidden",
            "",
            "",
            "hidden",
        ]


def test_a_bare_video_is_on_while_its_scene_can_be_seen(tmp_path: Path) -> None:
    style = "@keyframes on {to {opacity: 1}} .scene {opacity: 0; animation: on 1s 1s linear both}"
    body = f'<div class="scene"><p>{video("")}</p></div><video id=w src=a.mp4 style="opacity: 0.5"></video>'
    with open_html(tmp_path, composition(body, style=style, root=ROOT)) as page:
        assert page.at(30, "__hfdask.scenesOn()") == ["w"]
        assert page.at(31, "__hfdask.scenesOn()") == ["v", "w"]


def test_a_page_that_replaces_what_elements_can_do_changes_nothing(tmp_path: Path) -> None:
    script = """
      Element.prototype.getAttribute = () => '7';
      Object.defineProperty(HTMLMediaElement.prototype, 'defaultPlaybackRate', {get: () => 5});"""
    told = videos(tmp_path, video('data-start="1" data-duration="2"'), script)["v"]
    assert (told["file"], *window(told), told["rate"]) == ("a.mp4", 1, 3, 1)
