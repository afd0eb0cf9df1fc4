"""The page reports its sounds, and gives <audio> elements the state of their clips (docs/compositions.md, 10)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from page_samples import Page, composition, open_files, open_html, write_site

from hfdask.browser import browser_thread

pytestmark = pytest.mark.browser

ROOT = 'data-duration="10" data-no-timeline'
SCENE = '<template><div data-composition-id="s" data-width="64" data-height="64">{}</div></template>'
HOST = '<div data-composition-id="s" data-composition-src="s.html" {}></div>'


def audio(attributes: str = "", id: str = "a", src: str = "a.mp3") -> str:
    return f'<audio id="{id}" src="{src}" {attributes}></audio>'


def told(page: Page) -> dict[str, dict[str, Any]]:
    """Return all media that sound, by id."""
    media = page.value("[...__hfdask.media().sounds.sounds, ...__hfdask.media().videos]")
    return {
        each["id"]: each
        for each in media
        if each["start"] < each["end"]
        and not (each["muted"] or each["sound"]["hidden"])
        and (each["tag"] == "audio" or each["declaresSound"])
    }


def test_windows_of_sounds_are_those_of_videos(tmp_path: Path) -> None:
    cases = {
        'data-start="1" data-duration="2"': (1, 3, 1),
        'data-start="1" data-end="3"': (1, 3, 1),
        'data-start="1"': (1, 3.5, 1),  # the source lasts 2.5 seconds
        'data-start="1" data-media-start="1" data-playback-rate="0.5"': (1, 4, 1),
        'data-start="1" data-duration="2.54"': (1, 3.54, 1),
        'data-start="1" data-duration="2.6"': (1, 3.5, 1),  # it is cut to the source
        'data-start="1" data-duration="2.6" loop': (1, 3.6, 1),
        'data-start="9"': (9, 10, 9),
        'data-start="-2"': (0, 0.5, -2),
        'data-start="b + 0.5" data-duration="1"': (2.5, 3.5, 2.5),
        "": (0, 2.5, 0),
        'data-start="10"': None,
        'data-start="0" data-media-start="3"': None,
    }
    body = "".join(audio(attributes, f"a{number}") for number, attributes in enumerate(cases))
    body += '<i id="b" data-start="1" data-duration="1"></i>'
    durations = {f"a{number}": 2.5 for number in range(len(cases))}
    with open_html(tmp_path, composition(body, root=ROOT), durations=durations) as page:
        media = told(page)
    for number, (attributes, expected) in enumerate(cases.items()):
        each = media.get(f"a{number}")
        found = each and (each["start"], each["end"], each["origin"])
        assert found == (expected and pytest.approx(expected)), attributes


def test_what_follows_a_sound_begins_at_the_end_of_its_source(tmp_path: Path) -> None:
    body = (
        audio('data-start="1" data-media-start="0.5"')
        + audio('data-start="a"', "next")
        + audio('data-start="next"', "c")
    )
    root = "data-no-timeline"
    with open_html(tmp_path, composition(body, root=root), durations={"a": 2.5, "next": 1.0, "c": 0.25}) as page:
        assert [(each["start"], each["end"]) for each in told(page).values()] == [(1, 3), (3, 4), (4, 4.25)]
        assert page.report()["duration"] == 4.25


def test_sounds_in_scenes_trees_and_frames(tmp_path: Path) -> None:
    inner = audio('data-start="1" data-duration="1"', "in-scene") + "<audio src=b.mp3 data-duration=1></audio>"
    tree = f'<div><template shadowrootmode="open">{audio("data-start=1 data-duration=1", "in-tree")}</template></div>'
    body = (
        HOST.format('data-start="2" data-duration="4" data-playback-rate="2" data-playback-start="0.5"')
        + HOST.format('data-start="6"')
        + tree
        + '<iframe src="inner/f.html"></iframe>'
        + '<audio id="many"><source src="https://h.example/a.mp3"><source src="c.mp3"></audio>'
    )
    files: dict[str, str | bytes] = {
        "s.html": SCENE.format(inner),
        "inner/f.html": audio("data-start=4 data-duration=1", "in-frame") + "<audio src=e.mp3 data-duration=2></audio>",
    }
    with open_html(tmp_path, composition(body, root=ROOT), files) as page:
        media = told(page)
    assert {id: (each["file"], each["start"], each["end"], each["pace"]) for id, each in media.items()} == {
        "in-scene": ("a.mp3", 2.25, 2.75, 2),
        "hf-audio-0": ("b.mp3", 2, 2.25, 2),
        "in-scene__hf2": ("a.mp3", 7, 8, 1),
        "hf-audio-1": ("b.mp3", 6, 7, 1),
        "many": ("c.mp3", 0, 10, 1),
        "in-tree": ("a.mp3", 1, 2, 1),
        "in-frame": ("inner/a.mp3", 4, 5, 1),
        "hf-frame-audio-0": ("inner/e.mp3", 0, 2, 1),
    }


def test_odd_ids_are_no_names(tmp_path: Path) -> None:
    ids = ("bell&#7;", "turned&#x202e;", "x" * 301, "h&eacute;llo &#x1f600;")
    body = (
        "".join(audio("data-duration=1", id) for id in ids)
        + '<audio data-hf-render-id="&#27;" src="a.mp3" data-duration=1></audio>'
    )
    with open_html(tmp_path, composition(body, root=ROOT)) as page:
        assert list(told(page)) == ["hf-audio-0", "hf-audio-1", "hf-audio-2", "héllo 😀", "hf-audio-3"]


def test_which_media_sound(tmp_path: Path) -> None:
    body = (
        audio("", "plain")
        + audio("muted", "muted")
        + audio("", "silenced")
        + audio("data-hidden", "hidden")
        + f"<div data-hidden>{audio('', 'below')}<p><template shadowrootmode=open>{audio('', 'deep')}</template></p></div>"
        + '<hf-audio-group id="off" data-hidden></hf-audio-group>'
        + audio('data-audio-group="off"', "grouped")
        + '<audio id="empty"></audio>'
        + '<video id="film" src="v.mp4"></video><video id="declared" src="v.mp4" data-has-audio="true"></video>'
        + '<video id="quiet" src="v.mp4" data-has-audio="false"></video><video id="odd" src="v.mp4" data-has-audio="yes"></video>'
        + '<video id="both" muted src="v.mp4" data-has-audio="true"></video><video id="set" src="v.mp4"></video>'
    )
    script = "silenced.muted = true; document.getElementById('set').muted = true"
    with open_html(tmp_path, composition(body, script, root=ROOT), videos={}) as page:
        assert set(told(page)) == {"plain", "film", "declared"}


def test_volumes_fades_and_texts(tmp_path: Path) -> None:
    body = (
        audio("data-volume=0.25 data-fade-in=0.5 data-fade-out='1.5s' data-fx-chain='{' data-automation=' [1]'", "all")
        + audio("data-volume=loud data-fade-in=-1 data-fade-out=Infinity", "wrong")
        + audio("data-volume=9", "large")
        + audio("data-volume=-1", "small")
        + audio("data-volume=0", "zero")
        + audio("", "set")
        + "<video id=film src=v.mp4 data-volume=2 data-fx-chain=x></video>"
    )
    with open_html(tmp_path, composition(body, "document.getElementById('set').volume = 0.5", root=ROOT)) as page:
        media = {id: each["sound"] for id, each in told(page).items()}
        root = page.value("document.getElementById('root').dataset.fxChain = 'chain', __hfdask.media().sounds.master")
    assert (root["id"], root["chain"], root["automation"]) == ("main", "chain", None)
    facts = {id: (each["volume"], each["fadeIn"], each["fadeOut"]) for id, each in media.items()}
    largest = pytest.approx(10 ** (12 / 20))
    assert facts == {
        "all": (0.25, 0.5, 1.5),
        "wrong": (1, 0, 0),
        "large": (largest, 0, 0),
        "small": (0, 0, 0),
        "zero": (0, 0, 0),
        "set": (0.5, 0, 0),
        "film": (2, 0, 0),
    }
    texts = {id: (each["chain"], each["automation"]) for id, each in media.items() if each["chain"] is not None}
    assert texts == {"all": ("{", " [1]"), "film": ("x", None)}


def test_a_member_is_in_the_group_of_its_scene(tmp_path: Path) -> None:
    group = '<hf-audio-group id="g" data-volume="{}" data-automation="x"></hf-audio-group>'
    member = "data-audio-group=g data-duration=1"
    body = (
        group.format(0.5)
        + audio(member, "outer")
        + HOST.format("data-start=0 id=h1")
        + HOST.format("data-start=1 id=h2")
        + '<hf-audio-group id="g2" data-hf-group-render-id="named"></hf-audio-group>'
        + audio(f'{member} data-hf-group-render-id="named"', "stamped")
        + audio("data-audio-group=nobody data-duration=1", "lost")
        + "<video id=film src=v.mp4 data-audio-group=g></video>"
    )
    files: dict[str, str | bytes] = {"s.html": SCENE.format(group.format(0.25) + audio(member, "inner"))}
    with open_html(tmp_path, composition(body, root=ROOT), files) as page:
        media = told(page)
        groups = page.value("__hfdask.media().sounds.groups")
        assert any('"nobody"' in text for text in page.report()["warnings"])
    assert [(each["id"], each["volume"], each["automation"]) for each in groups] == [
        ("g", 0.5, "x"),
        ("g", 0.25, "x"),
        ("g", 0.25, "x"),
        ("named", 1, None),
    ]
    assert {id: each["sound"]["group"] for id, each in media.items()} == {
        "outer": 0,
        "inner": 1,
        "inner__hf2": 2,
        "stamped": 3,
        "lost": None,
        "film": 0,
    }


STATES = "[a.currentTime, a.paused, a.ended]"


def test_cues_of_a_sound_belong_to_its_time(tmp_path: Path) -> None:
    body = audio('data-start="1"').replace("></audio>", '><track id="k" kind="metadata" src="cues.vtt"></audio>')
    cues = "WEBVTT\n\n00:00.500 --> 00:01.000\nword\n"
    script = (
        "k.track.mode = 'hidden'; k.oncuechange = () => { k.title = [...k.track.activeCues].map(c => c.text) + '!' }"
    )
    with open_html(tmp_path, composition(body, script, root=ROOT), {"cues.vtt": cues}, durations={"a": 9.0}) as page:
        assert [page.at(frame, "k.title") for frame in (0, 44, 45, 59, 60, 50)] == [
            "",
            "",
            "word!",
            "word!",
            "!",
            "word!",
        ]
        assert told(page)["a"]["sound"]["isRead"]


def test_scripts_see_the_time_of_the_clip(tmp_path: Path) -> None:
    ramp = json.dumps({"version": 1, "lanes": [{"target": "rate", "points": [{"t": 0, "v": 1}, {"t": 1, "v": 3}]}]})
    body = (
        audio('data-start="1" data-duration="2" data-media-start="0.5" data-playback-rate="2"')
        + audio(f"data-start='1' data-automation='{ramp}'", "ramped")
        + audio('data-start="1" loop', "looping")
    )
    with open_html(
        tmp_path, composition(body, root=ROOT), durations={"a": 9.0, "ramped": 60.0, "looping": 1.0}
    ) as page:
        assert page.value("[a.duration, a.readyState, a.networkState, a.volume, a.srcObject]") == [9, 4, 1, 1, None]
        assert page.at(0, STATES) == [0, True, False]
        assert page.at(30, STATES) == [0.5, False, False]
        assert page.at(60, STATES) == [2.5, False, False]
        assert page.at(90, STATES) == [4.5, True, False]
        assert page.at(0, STATES) == [0, True, False]
        assert page.at(45, "ramped.currentTime") == pytest.approx(0.667, abs=0.01)  # the integral of 3 ** t up to 0.5
        assert page.at(90, "ramped.currentTime") == pytest.approx(2 / 1.0986 + 3, abs=0.01)
        assert page.at(75, "[looping.currentTime, looping.paused, looping.ended]") == [1, True, True]  # it plays once


def test_a_sound_ends_with_its_source_also_between_frames(tmp_path: Path) -> None:
    rates = [0.3, 0.7, 1.1, 3]
    body = "".join(
        audio(f'data-start="0.1{number}" data-playback-rate="{rate}"', f"a{number}")
        for number, rate in enumerate(rates)
    )
    durations = {f"a{number}": 0.7 for number in range(len(rates))}
    with open_html(tmp_path, composition(body, root=ROOT), durations=durations) as page:
        ended = "[...document.querySelectorAll('audio')].map((sound) => [sound.ended, sound.currentTime])"
        assert page.at(90, ended) == [[True, 0.7]] * len(rates)


def test_events_come_at_the_times_of_the_clip(tmp_path: Path) -> None:
    script = """window.seen = [];
      for (const type of ['loadedmetadata', 'canplaythrough', 'play', 'playing', 'pause', 'ended', 'volumechange'])
        a.addEventListener(type, () => seen.push(type));"""
    with open_html(tmp_path, composition(audio("data-start=1"), script, root=ROOT), durations={"a": 0.5}) as page:
        assert page.value("seen.splice(0)") == ["loadedmetadata", "canplaythrough"]
        assert page.at(29, "seen.splice(0)") == []
        assert page.at(30, "seen.splice(0)") == ["play", "playing"]
        assert page.at(44, "seen.splice(0)") == []
        assert page.at(45, "seen.splice(0)") == ["pause", "ended"]
    with open_html(tmp_path, composition(audio("data-start=1"), script, root=ROOT), durations={"a": 0.5}) as page:
        page.value("seen.length = 0")
        assert page.at(60, "seen.splice(0)") == ["play", "playing", "pause", "ended"]  # a chunk that starts late


def test_a_sound_makes_no_request(tmp_path: Path) -> None:
    script = "root.insertAdjacentHTML('beforeend', '<audio src=b.mp3 autoplay></audio>'); a.src = 'c.mp3'; a.play()"
    files: dict[str, str | bytes] = dict.fromkeys(("a.mp3", "b.mp3", "c.mp3"), b"")
    with open_html(tmp_path, composition(audio("autoplay controls"), script, root=ROOT), files) as page:
        page.seek(10)
        assert page.session.site.served == {"index.html"}
        assert page.session.site.misses == []
        assert page.session.log.messages == []


def test_a_sound_that_no_chunk_has_is_no_missing_file(tmp_path: Path) -> None:
    files = write_site(tmp_path, composition("", root=ROOT)) | {"a.mp3": tmp_path / "elsewhere"}
    with open_files(files) as page:
        page.value("for (const name of ['a.mp3', 'none.mp3']) new Audio(name).play().catch(() => 0)")
        for _ in range(100):  # requests arrive in their order
            page.value("fetch('index.html').then(() => 0)")
            if page.session.site.misses:
                break
        assert [(miss.path, miss.wanted_as) for miss in page.session.site.misses] == [("none.mp3", "audio")]


def test_a_sound_outside_of_the_document_is_a_warning(tmp_path: Path) -> None:
    script = "new Audio('a.mp3').play().catch(() => 0); a.play(); document.createElement('video').play().catch(() => 0)"
    with open_html(tmp_path, composition(audio(), script, root=ROOT), {"a.mp3": b""}) as page:
        assert [text for text in page.report()["warnings"] if "not heard" in text] == [
            "a script plays a sound that is not in the document, so it is not heard: put an <audio> into the page"
        ]


def volumes(page: Page, names: list[str], frames: list[int]) -> list[tuple[float | None, ...]]:
    return list(browser_thread().run(page.session.volumes_at(frames, names), 30))


def test_volumes_that_scripts_change_are_read_frame_by_frame(tmp_path: Path) -> None:
    script = """
      const of = (id) => document.getElementById(id);
      addEventListener('hf-seek', (event) => { of('seek').volume = event.detail.time });
      requestAnimationFrame(function draw(now) { of('frame').volume = now / 500; requestAnimationFrame(draw) });
      setTimeout(() => { of('timer').volume = 0.5 }, 2000);
      of('once').volume = 0.75;"""
    body = "".join(audio("data-volume=2", name) for name in ("seek", "frame", "timer", "once", "never"))
    with open_html(tmp_path, composition(body, script, root=ROOT)) as page:
        changed = browser_thread().run(page.session.changed_volumes(), 20)
        assert not changed
        assert volumes(page, ["seek", "frame", "timer", "once", "never", "none"], [15, 30, 75]) == [
            (0.5, 1.0, 2.0, 0.75, 2.0, None),
            (1.0, 2.0, 2.0, 0.75, 2.0, None),
            (2.5, 5.0, 0.5, 0.75, 2.0, None),
        ]
        assert browser_thread().run(page.session.changed_volumes(), 20) == {"seek", "frame", "timer"}


def test_only_times_that_scripts_read_affect_the_picture(tmp_path: Path) -> None:
    body = audio("data-duration=1", "read") + audio("data-duration=1", "unread")
    script = "addEventListener('hf-seek', () => { unread.volume = 0.5; window.at = document.getElementById('read').currentTime })"
    with open_html(tmp_path, composition(body, script, root=ROOT)) as page:
        page.seek(10)
        assert {id: each["sound"]["isRead"] for id, each in told(page).items()} == {"read": True, "unread": False}
