"""Scripts see a state of a fed video that depends only on the frame's time, and events in the order of browsers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from page_samples import composition
from slow import sampled
from video_pages import Fed, open_fed, planes_of, read, shape_of

from hfdask.browser import browser_thread
from hfdask.browser.video_feed import Shown, VideoShape
from hfdask.errors import ScriptError

pytestmark = pytest.mark.browser

ROOT = "data-duration=60 data-no-timeline"
VIDEO = '<video id="v" src="clips/v.mp4?x=1" style="position:absolute;left:0;top:0"></video>'
EVENTS = [
    "abort",
    "canplay",
    "canplaythrough",
    "durationchange",
    "emptied",
    "ended",
    "error",
    "loadeddata",
    "loadedmetadata",
    "loadstart",
    "pause",
    "play",
    "playing",
    "progress",
    "ratechange",
    "resize",
    "seeked",
    "seeking",
    "stalled",
    "suspend",
    "timeupdate",
    "volumechange",
    "waiting",
]
RECORD = f"""const v = document.getElementById("v"), seen = window.seen = [];
for (const type of {json.dumps(EVENTS)}) v.addEventListener(type, () => seen.push(`${{type}} ${{Math.round(performance.now())}}`));"""


def page(script: str = RECORD, body: str = VIDEO) -> str:
    return composition(body, script, root=ROOT)


def play(fed: Fed, frame: int, start: int = 3, length: float = 0.2, end: int = 12) -> None:
    """Seek to a frame of a clip that begins at frame ``start`` and whose window ends at ``end``; the source has ``length`` seconds."""
    if frame < start:
        shown = Shown("before")
    else:
        number = min(frame - start, round(length * 30) - 1)
        state = fed.state("v", number)
        phase: Any = "playing" if frame < end else "after"
        shown = Shown(phase, min((frame - start) / 30, length), number, number / 30, state.picture)
    browser_thread().run(fed.page.session.seek(frame, videos={"v": shown}), 20)


def shapes(length: float = 0.2) -> dict[str, VideoShape]:
    return {"v": shape_of(planes_of(0), length)}


def test_a_video_has_its_metadata_when_the_page_is_ready(tmp_path):
    with open_fed(tmp_path, page(), shapes()) as fed:
        assert [each.split()[0] for each in fed.value("seen")] == [
            "loadstart",
            "durationchange",
            "loadedmetadata",
            "loadeddata",
            "canplay",
            "canplaythrough",
        ]
        state = fed.value(
            "[v.readyState, v.networkState, v.duration, v.videoWidth, v.videoHeight, v.error, v.srcObject, v.paused, v.ended, v.seeking,"
            " v.currentTime, v.muted, v.volume, v.playbackRate, v.getAttribute('src'), v.src, v.currentSrc, v.played.length]"
        )
        url = "http://composition.localhost/clips/v.mp4?x=1"
        assert state == [
            4,
            1,
            0.2,
            64,
            32,
            None,
            None,
            True,
            False,
            False,
            0,
            False,
            1,
            1,
            "clips/v.mp4?x=1",
            url,
            url,
            0,
        ]
        assert fed.value(
            "[v.seekable, v.buffered].map((r) => [r instanceof TimeRanges, r.length, r.start(0), r.end(0)])"
        ) == [
            [True, 1, 0, 0.2],
            [True, 1, 0, 0.2],
        ]
        with pytest.raises(ScriptError, match="no such range"):
            fed.value("v.buffered.start(1)")


def test_loading_waits_for_scripts_that_wait_for_metadata(tmp_path):
    script = """__timelines.main = null; delete __timelines.main;
      document.getElementById("v").addEventListener("loadedmetadata", ({ target }) => {
        __timelines.main = { duration: () => target.duration, seek() {} } })"""
    html = composition(VIDEO, script, root="")
    with open_fed(tmp_path, html, shapes(1.5)) as fed:
        assert fed.page.loaded.missing == []
        assert fed.page.report()["duration"] == 1.5


def test_events_come_at_the_time_of_the_clip(tmp_path):
    with open_fed(tmp_path, page(), shapes()) as fed:
        fed.value("seen.length = 0")
        for frame in range(14):
            play(fed, frame)
        seen = fed.value("seen")
    assert seen == [
        *("play 100", "playing 100"),
        *(f"timeupdate {round(frame * 1000 / 30)}" for frame in range(4, 10)),
        *("pause 300", "ended 300"),
    ]


def test_a_clip_that_ends_before_its_source_is_paused(tmp_path):
    with open_fed(tmp_path, page(), shapes(5)) as fed:
        states = []
        for frame in range(2, 14):
            play(fed, frame, length=5, end=8)
            states.append(fed.value("[v.paused, v.ended]"))
        assert states == [[not 3 <= frame < 8, False] for frame in range(2, 14)]
        told = [each for each in fed.value("seen") if each.split()[0] in ("play", "pause", "ended")]
        assert told == ["play 100", "pause 267"]


@pytest.mark.sample("5")
@pytest.mark.parametrize("first", sampled([0, 2, 3, 5, 9, 11]))
def test_what_scripts_see_does_not_depend_on_where_a_chunk_begins(first, tmp_path):
    look = """JSON.stringify([v.currentTime, v.paused, v.ended, v.readyState, v.getVideoPlaybackQuality().totalVideoFrames, v.className,
      v.played.length && v.played.end(0), called])"""
    script = (
        RECORD
        + """ window.called = null; const call = (now, { mediaTime, presentedFrames }) => {
          called = [mediaTime, presentedFrames]; v.requestVideoFrameCallback(call) };
        v.requestVideoFrameCallback(call);
        v.onplay = () => v.classList.add("played"); v.addEventListener("ended", () => v.classList.add("ended"))"""
    )
    with open_fed(tmp_path / "a", page(script), shapes()) as fed:
        whole = []
        for frame in range(13):
            play(fed, frame)
            whole.append(fed.value(look))
    with open_fed(tmp_path / "b", page(script), shapes()) as fed:
        chunk = []
        for frame in range(first, 13):
            play(fed, frame)
            chunk.append(fed.value(look))
    assert chunk == whole[first:]
    assert len(set(whole)) == 8  # before the clip, six pictures, after its end


def test_frame_callbacks_come_once_for_each_new_source_frame(tmp_path):
    script = """const v = document.getElementById("v"); window.calls = [];
      const call = (now, data) => { calls.push([Math.round(now), data.mediaTime, data.presentedFrames, data.width, data.height]);
        v.requestVideoFrameCallback(call) };
      v.requestVideoFrameCallback(call); v.cancelVideoFrameCallback(v.requestVideoFrameCallback(() => calls.push("cancelled")))"""
    with open_fed(tmp_path, page(script), shapes(5)) as fed:
        for frame in range(7):
            fed.seek(frame, {"v": None if frame == 0 else (frame + 1) // 2})
        calls = fed.value("calls")
    assert calls == [
        [round(frame * 1000 / 30), pytest.approx(n / 30), n + 1, 64, 32] for frame, n in ((1, 1), (3, 2), (5, 3))
    ]


def test_a_script_that_seeks_is_told_so_and_the_clip_wins_at_the_next_frame(tmp_path):
    with open_fed(tmp_path, page(), shapes()) as fed:
        play(fed, 4)
        assert fed.value(
            "seen.length = 0, v.currentTime = 0.15, new Promise((done) => v.onseeked = done).then(() => [v.currentTime, v.seeking, seen.map((e) => e.split(' ')[0])])"
        ) == [
            0.15,
            False,
            ["seeking", "timeupdate", "seeked"],
        ]
        play(fed, 5)
        assert fed.value("v.currentTime") == pytest.approx(2 / 30)


def test_a_frame_waits_for_what_a_script_has_sought(tmp_path):
    script = """const v = document.getElementById("v"); window.done = 0;
      addEventListener("hf-seek", () => { v.currentTime = 0.1; v.onseeked = () => done++ })"""
    with open_fed(tmp_path, page(script), shapes()) as fed:
        for frame in range(4):
            play(fed, frame)
            assert fed.value("done") >= frame + 1


def test_calls_work_as_in_a_browser(tmp_path):
    with open_fed(tmp_path, page(), shapes()) as fed:
        play(fed, 3)
        assert fed.value("v.play().then(() => 'played')") == "played"
        fed.value("v.pause(); v.muted = true; v.volume = 0.5; v.playbackRate = 2; 0")
        assert fed.value("[v.muted, v.volume, v.playbackRate, v.canPlayType('video/mp4') !== undefined]") == [
            True,
            0.5,
            2,
            True,
        ]
        assert fed.value(
            "[...function* () { for (const set of [() => v.currentTime = NaN, () => v.volume = NaN]) try { set() } catch (e) { yield e.name } }()]"
        ) == [
            "TypeError",
            "TypeError",
        ]
        told = "seen.length = 0, v.load(), new Promise((done) => v.addEventListener('canplaythrough', done)).then(() => seen)"
        assert "loadeddata 100" in fed.value(told)


def test_a_stream_of_the_page_stays_its_own(tmp_path):
    with open_fed(tmp_path, page(), shapes()) as fed:
        play(fed, 4)
        fed.value("""window.canvas = document.createElement("canvas"), canvas.getContext("2d"), v.muted = true,
          v.srcObject = window.stream = canvas.captureStream(), 0""")
        assert fed.value("[v.srcObject === stream, v.muted, v.duration]") == [True, True, None]
        play(fed, 5)
        assert fed.value("v.srcObject === stream") is True


def test_a_volume_is_a_gain_of_the_mix(tmp_path):
    with open_fed(tmp_path, page(body=VIDEO.replace("<video", '<video data-volume="2.5"')), shapes()) as fed:
        assert fed.value("[v.volume, (v.volume = 3, v.volume), (v.volume = -0.25, v.volume)]") == [2.5, 3, -0.25]


def test_a_video_that_is_not_fed_and_a_sound_outside_of_the_page_are_the_browsers_own(tmp_path):
    script = "window.bare = document.createElement('video'); window.sound = new Audio()"
    with open_fed(tmp_path, page(script), shapes()) as fed:
        assert (
            fed.value(
                "[bare, sound].map((e) => [e.readyState, e.networkState, e.paused, e.currentTime, e.currentSrc, e.muted])"
            )
            == [[0, 0, True, 0, "", False]] * 2
        )


PATCHES = {
    "media": """for (const name of Object.getOwnPropertyNames(HTMLMediaElement.prototype)) {
        try { Object.defineProperty(HTMLMediaElement.prototype, name, { get: () => "mine", set() {}, configurable: true }) } catch {} }""",
    "streams": "window.MediaStream = window.MediaStreamTrackGenerator = window.VideoFrame = window.Worker = window.Blob = function () { throw Error('mine') }",
    "messages": """Worker.prototype.postMessage = MessagePort.prototype.postMessage = () => {};
      Object.defineProperty(MessageEvent.prototype, "data", { get: () => "mine" }); EventTarget.prototype.addEventListener = () => {}""",
    "pictures": """Object.defineProperty(VideoFrame.prototype, "timestamp", { get: () => 5 }); VideoFrame.prototype.close = () => {}""",
    "objects": "Object.prototype.then = () => {}; Object.prototype.v = { phase: 'mine' }; Array.prototype.includes = () => true; Array.prototype.filter = () => []",
    "visibility": "Element.prototype.checkVisibility = () => false; Element.prototype.getBoundingClientRect = () => ({})",
}


@pytest.mark.parametrize("patch", sampled(PATCHES.values()), ids=PATCHES)
def test_replaced_built_ins_change_no_picture(patch, tmp_path):
    with open_fed(tmp_path, composition(VIDEO, patch, root=ROOT), ["v"]) as fed:
        assert [read(fed.picture(frame, {"v": 30 + frame})) for frame in range(4)] == [30, 31, 32, 33]


CUES = "WEBVTT\n\n00:00.033 --> 00:00.100\none\n\n00:00.100 --> 00:00.170\ntwo\n\n00:00.110 --> 00:09.000\nthree\n"
CAPTIONED = VIDEO.replace("></video>", ' muted><track id="k" src="cues.vtt" default></video>')
READ_CUES = """const v = document.getElementById("v"), {track} = k, seen = window.seen = [];
  const own = v.addTextTrack("metadata"), cue = new VTTCue(0.1, 0.2, "own");
  for (const type of ["enter", "exit"]) cue.addEventListener(type, () => seen.push(type));
  own.mode = "hidden"; own.addCue(cue); track.addEventListener("cuechange", () => seen.push("change"));
  k.oncuechange = () => seen.push(texts(track)); window.texts = (of) => [...of.activeCues].map(cue => cue.text).join()"""


@pytest.mark.parametrize("first", [0, 5, 8])
def test_cues_belong_to_the_time_of_the_clip(tmp_path, first):
    # the clip begins at frame 3 and ends before frame 12
    expected = {3: "", 4: "one", 5: "one", 6: "two", 7: "two,three", 8: "two,three", 9: "three", 11: "three", 12: ""}
    with open_fed(tmp_path, page(READ_CUES, CAPTIONED), shapes(10), files={"cues.vtt": CUES}) as fed:
        assert fed.value("[texts(track), seen]") == ["", []]
        play(fed, first, length=10)
        for frame, texts in expected.items():
            play(fed, frame, length=10)
            assert fed.value("texts(track)") == texts, frame
            assert fed.value("texts(own)") == ("own" if 6 <= frame < 9 else ""), frame
        play(fed, 4, length=10)
        assert fed.value("texts(track)") == "one"
        assert fed.value("Array.from(track.cues, ({startTime, endTime}) => [startTime, endTime])") == [
            [0.033, 0.1],
            [0.1, 0.17],
            [0.11, 9],
        ]


def test_captions_are_drawn_at_the_time_of_the_clip(tmp_path):
    html = page("", CAPTIONED + "<style>::cue { background: #00f; color: #00f }</style>")
    with open_fed(tmp_path, html, shapes(10), files={"cues.vtt": CUES}) as fed:
        drawn = []
        for frame in (2, 3, 4, 11, 12, 3):
            time = max(0, frame - 3) / 30
            phase: Any = "before" if frame < 3 else "playing" if frame < 12 else "after"
            red, _, blue = np.moveaxis(fed.shot(frame, {"v": Shown(phase, time)}).astype(int), -1, 0)
            drawn.append(bool((blue > red + 99).any()))
        assert drawn == [False, False, True, True, False, False]


def test_cues_tell_when_they_begin_and_end(tmp_path):
    with open_fed(tmp_path, page(READ_CUES, CAPTIONED), shapes(10), files={"cues.vtt": CUES}) as fed:
        for frame in (4, 6, 7, 9, 10):
            play(fed, frame, length=10)
        assert fed.value("seen") == [
            *("change", "one"),
            *("change", "two", "enter"),
            *("change", "two,three"),
            *("change", "three", "exit"),
        ]
    with open_fed(tmp_path, page(READ_CUES, CAPTIONED), shapes(10), files={"cues.vtt": CUES}) as fed:
        play(fed, 10, length=10)
        assert sorted(fed.value("seen")) == ["change", "enter", "exit", "three"]
