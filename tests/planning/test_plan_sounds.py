"""Sounds in plans: what is mixed, the mix as an object of the plan, its reuse, errors and warnings (docs/compositions.md, 10)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client, LocalCluster
from slow import sampled
from sound_samples import RATE, clicks, silence, tone, write_sound
from video_samples import bar_code_video, cached
from web import Page, Web

import hfdask
from hfdask import errors
from hfdask.core.model import Manifest
from hfdask.core.sound import Effect, Lane, LanePoint, SoundTrack, Soundtrack
from hfdask.core.video_clip import RatePoint
from hfdask.planning import mixing
from hfdask.sound.mix import mix
from hfdask.sound.reader import read_sound
from hfdask.store.content import object_name

pytestmark = pytest.mark.browser

ROOT = '<div id="root" data-composition-id="c" data-width="64" data-height="64" {}>{}</div>'
ALONE = 'data-duration="3" data-no-timeline'
BASE = dict.fromkeys(("pace", "rate"), 1.0) | {
    "media_start": 0.0,
    "ramp": (),
    "fade_in": 0.0,
    "fade_out": 0.0,
    "group": None,
}


def wav(samples: np.ndarray, name: str) -> bytes:
    return cached(lambda path: write_sound(path, samples), name).read_bytes()


def song() -> bytes:
    """Return two seconds with a tone."""
    return wav(tone(440, 2, 0.25), "song.wav")


def film() -> bytes:
    """Return two seconds of pictures with a tone."""
    return cached(lambda path: write_sound(path, tone(440, 2, 0.25), "aac", picture=True), "film.mp4").read_bytes()


class Planner:
    """Plans a body with these files. If `a.wav` is not given, it has two seconds. Remembers the last soundtrack and all mixes."""

    def __init__(self, project: Callable[..., Path], folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.project, self.url = project, str(folder / "plan")
        self.soundtrack: Soundtrack | None = None
        self.mixes = 0
        mixer = mixing.Mixer.mix

        def noted(of: mixing.Mixer, soundtrack: Soundtrack, *rest: Any) -> Any:
            self.soundtrack = soundtrack
            return mixer(of, soundtrack, *rest)

        def counted(*arguments: Any) -> Any:
            self.mixes += 1
            return mix(*arguments)

        patch.setattr(mixing.Mixer, "mix", noted)
        patch.setattr(mixing, "mix", counted)

    def __call__(
        self, body: str, root: str = ALONE, *, script: str = "", files: Any = None, **options: Any
    ) -> Manifest:
        self.soundtrack = None
        source = self.project(
            ROOT.format(root, body) + f"<script>{script}</script>", **{"a.wav": song(), **(files or {})}
        )
        return hfdask.plan(source, self.url, check="off", **{"sweep": 15, **options}).manifest

    def tracks(self, body: str, *arguments: Any, **options: Any) -> dict[str, SoundTrack]:
        self(body, *arguments, **options)
        return {track.id: track for track in self.soundtrack.tracks} if self.soundtrack else {}

    def mixed(self, manifest: Manifest) -> np.ndarray:
        assert manifest.sound is not None
        path = Path(self.url) / object_name(manifest.sound.sha256)
        return np.concatenate(list(read_sound(path)), axis=1) * manifest.sound.gain


@pytest.fixture
def planner(project: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planner:
    return Planner(project, tmp_path, monkeypatch)


def audio(attributes: str = "", id: str = "a", src: str = "a.wav") -> str:
    return f'<audio id="{id}" src="{src}" {attributes}></audio>'


def times(track: SoundTrack) -> tuple[float, float, float]:
    return track.start, track.end, track.origin


def test_a_plan_carries_the_mix_with_each_click_in_its_place(planner):
    source = wav(clicks(2, [4_800, 48_000]), "clicks.wav")
    files = {
        "a.wav": source,
        "s.html": '<template><div data-composition-id="s" data-width="64" data-height="64">'
        + audio('data-start="0.25"', "inner")
        + "</div></template>",
    }
    body = (
        audio('data-start="0.5" data-duration="1"')
        + audio('data-start="1.5" data-media-start="0.5" data-volume="0.5"', "b")
        + '<div data-composition-id="s" data-composition-src="s.html" data-start="1" data-duration="2"></div>'
    )
    plan = planner(body, files=files)
    assert plan.sound is not None
    assert (plan.sound.samples, plan.sound.tracks) == (3 * RATE, ("a", "b", "inner"))
    assert plan.sound.path in {each.path for each in plan.objects}
    assert [each.name for each in plan.only_heard] == ["a.wav"]
    samples = planner.mixed(plan)
    assert samples.shape == (2, 3 * RATE)
    expected = silence(3)
    for at, first, level in ((0.5, 0.0, 1.0), (1.5, 0.5, 0.5), (1.25, 0.0, 1.0)):
        part = clicks(2, [4_800, 48_000])[:, round(first * RATE) :] * level
        begin = round(at * RATE)
        length = min(RATE if at == 0.5 else 3 * RATE, part.shape[1], 3 * RATE - begin)
        expected[:, begin : begin + length] += part[:, :length]
    assert np.abs(samples - expected).max() < 2**-22


def test_what_tracks_play(planner):
    ramp = {"target": "rate", "points": [{"t": 0, "v": 1}, {"t": 1, "v": 2}]}
    volume = {"target": "volume", "points": [{"t": 0, "v": 1}, {"t": 2, "v": "0.5"}]}
    lanes = json.dumps({"version": 1, "lanes": [ramp, volume]})
    chain = json.dumps({"version": 1, "nodes": [{"id": "g", "type": "gain", "params": {"gain": -6}}]})
    body = (
        audio('data-start="0.5" data-playback-rate="2" data-fade-in="0.25" data-fade-out="0.5" data-volume="0.75"')
        + audio(f"data-start=-0.5 data-automation='{lanes}' data-fx-chain='{chain}' data-audio-group=g", "b")
        + f"<hf-audio-group id=unused></hf-audio-group><hf-audio-group id=g data-volume=0.5 data-fx-chain='{chain}'></hf-audio-group>"
        + '<video id="film" src="film.mp4" data-start="1" data-duration="1" data-media-start="0.5" data-volume="2"></video>'
        + '<video id="quiet" muted src="film.mp4" data-start="1" data-duration="1"></video>'
        + '<video id="still" src="silent.mp4" data-start="1" data-duration="1"></video>'
        + audio("muted", "muted")
        + audio('data-start="4"', "late")
    )
    silent = cached(bar_code_video, "silent.mp4", 30, size=(64, 32)).read_bytes()
    tracks = planner.tracks(body, f"{ALONE} data-fx-chain='{chain}'", files={"film.mp4": film(), "silent.mp4": silent})
    soundtrack = planner.soundtrack
    assert soundtrack is not None
    assert [source.name for source in soundtrack.sources] == ["film.mp4", "a.wav"]
    assert {id: (track.source, *times(track)) for id, track in tracks.items()} == {
        "film-audio": (0, 1, 2, 1),
        "a": (1, 0.5, 1.5, 0.5),
        "b": (1, 0, pytest.approx(0.81, abs=0.05), -0.5),
    }
    a, b, heard = tracks["a"], tracks["b"], tracks["film-audio"]
    assert (a.rate, a.fade_in, a.fade_out, a.group, a.treatment.volume) == (2, 0.25, 0.5, None, 0.75)
    assert (heard.media_start, heard.treatment.volume) == (0.5, 2)
    assert b.ramp == (RatePoint(t=0, v=1), RatePoint(t=1, v=2))
    assert b.treatment.lanes == (Lane(target="volume", points=(LanePoint(t=0, v=1), LanePoint(t=2, v=0.5))),)
    [effect] = b.treatment.chain
    assert isinstance(effect, Effect)
    assert (effect.id, effect.type, effect.parameters["gain"]) == ("g", "gain", -6)
    assert (b.group, [group.id for group in soundtrack.groups]) == (0, ["g"])
    assert (soundtrack.groups[0].treatment.volume, soundtrack.groups[0].treatment.chain) == (0.5, (effect,))
    assert soundtrack.master.chain == (effect,)
    assert soundtrack.samples == 3 * RATE


def test_a_composition_without_sound_has_no_mix(planner):
    plan = planner(audio("muted") + "<p>text</p>")
    assert (plan.sound, plan.only_heard, planner.mixes) == (None, (), 0)
    assert [each.path for each in plan.shared_objects if each.path == "a.wav"] == ["a.wav"]


def test_a_page_that_fetches_a_sound_needs_it_in_every_chunk(planner):
    plan = planner(audio(), script="fetch('a.wav').then((answer) => answer.blob())")
    assert plan.only_heard == ()
    assert "a.wav" in {each.path for each in plan.shared_objects}


def test_a_sound_without_a_duration_is_as_long_as_its_source(planner):
    plan = planner(
        audio('data-start="0.5" data-media-start="0.25"') + "<i data-start='a' data-duration='1'></i>",
        "data-no-timeline",
    )
    assert plan.timeline.duration == 2.25
    assert plan.page.durations == {"a": 2}
    assert [clip.start for clip in plan.timeline.clips] == [0.5, 2.25]


def test_a_video_without_a_start_sounds_while_its_scene_can_be_seen(planner):
    style = (
        "<style>@keyframes k {from, 33% {opacity: 0} 34%, to {opacity: 1}} .scene {animation: k 3s linear both}</style>"
    )
    tracks = planner.tracks(
        f'{style}<p class="scene"><video id="v" src="film.mp4"></video></p>', files={"film.mp4": film()}
    )
    track = tracks["v-audio"]
    assert track.start == track.origin == pytest.approx(1, abs=0.05)
    assert track.end == 3


GSAP = '<script src="gsap.js"></script>'


def test_volumes_of_tweens_and_scripts(planner, gsap):
    script = """
      const timeline = gsap.timeline({ paused: true });
      timeline.to("#tween", { volume: 0, duration: 1, ease: "none" }, 1).set("#tween", { volume: 2 }, 2.5);
      timeline.to("#same", { volume: 0.5, duration: 1 }, 0).to("#laned", { volume: 0, duration: 1 }, 0);
      window.__timelines["c"] = timeline;
      addEventListener("hf-seek", (event) => {
        document.getElementById("script").volume = event.detail.time < 1.02 || event.detail.time > 1.04 ? 1 : 0.25;
      });"""
    lane = json.dumps({"version": 1, "lanes": [{"target": "volume", "points": [{"t": 0, "v": 1}]}]})
    body = (
        audio('data-start="0.5"', "tween", "long.wav")
        + audio("data-volume=0.5", "same")
        + audio("", "script")
        + audio(f"data-automation='{lane}'", "laned")
        + audio("", "plain")
    )
    files = {"gsap.js": gsap, "long.wav": wav(tone(220, 3), "long.wav")}
    tracks = planner.tracks(GSAP + body, 'data-duration="3"', script=script, files=files)
    keys = {id: track.treatment.keys for id, track in tracks.items()}
    assert (keys["same"], keys["plain"]) == ((), ())
    # From second 1 to second 2 in a straight line, then level, and a jump within the frame before 2.5. Clip seconds.
    held = dict(keys["tween"])
    assert held[0.5] == 1
    assert held[1.0] == pytest.approx(0.5)
    assert held[1.5] == 0
    assert [key for key in keys["tween"] if key[0] > 1.5] == [(pytest.approx(2 - 1 / 30, abs=1e-5), 0), (2, 2)]
    assert all(gain == pytest.approx(1.5 - time, abs=1e-5) for time, gain in keys["tween"] if 0.5 <= time <= 1.5)
    # One frame, which the sweep of planning may not visit.
    assert [(round(time * 30), gain) for time, gain in keys["script"]] == [(30, 1), (31, 0.25), (31 + 1, 1)]
    assert tracks["laned"].treatment.lanes


def test_a_volume_is_right_from_the_first_sample_on(planner):
    script = "addEventListener('hf-seek', () => { document.getElementById('a').volume = 0.25 })"
    [track] = planner.tracks(audio('data-start="0.51"'), script=script).values()
    assert track.treatment.keys == ((0, 0.25),)


def test_volumes_are_read_without_a_sweep(planner):
    script = (
        "addEventListener('hf-seek', (event) => { document.getElementById('a').volume = 1 - event.detail.time / 4 })"
    )
    [track] = planner.tracks(audio(), script=script, sweep=0).values()
    assert track.treatment.keys[-1] == (2, 0.5)


@pytest.mark.slow
def test_planning_twice_gives_the_same_plan(planner, project, tmp_path):
    planner(audio())
    other = hfdask.plan(project(), tmp_path / "other", check="off").hash
    source = project(ROOT.format(ALONE, audio()), **{"a.wav": song()})
    hashes = {hfdask.plan(source, tmp_path / name, check="off").hash for name in "xy"}
    assert len(hashes) == 1
    assert other not in hashes


@pytest.mark.slow
@pytest.mark.parametrize("place", ["folder", "memory"])
def test_a_picture_that_changes_mixes_nothing_again(place, planner, monkeypatch, tmp_path):
    monkeypatch.setenv("HFDASK_CACHE", str(tmp_path / "cache"))
    if place == "memory":
        planner.url = f"memory://{uuid.uuid4().hex}"
    first = planner(audio() + "<p>one</p>")
    monkeypatch.setenv("HFDASK_CACHE", str(tmp_path / "of another machine"))
    second = planner(audio() + "<p>two</p>")
    assert planner.mixes == 1
    assert first.sound == second.sound
    assert first.plan_hash != second.plan_hash
    store = hfdask.Plan.open(planner.url).location.store()
    assert store.size(object_name(second.sound.sha256)) == second.sound.size
    planner(audio("data-volume=0.5"))
    assert planner.mixes == 2


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["lost", "damaged", "record", "other versions"])
def test_a_mix_that_is_not_as_it_was_is_made_again(fault, planner, monkeypatch):
    sound = planner(audio()).sound
    store = hfdask.Plan.open(planner.url).location.store()
    name, record = object_name(sound.sha256), f"sounds/{sound.key}.json"
    match fault:
        case "lost":
            store.delete(name)
        case "damaged":
            store.delete(name)
            store.put(name, b"x" * (sound.size - 1))
        case "record":
            store.put(record, b"{")
        case "other versions":
            monkeypatch.setattr(mixing, "version", lambda _: "0")
    if fault == "damaged":
        with pytest.raises(errors.ArtifactDigestError, match="delete it and plan again"):
            planner(audio())
        return
    assert planner(audio()).sound == sound
    assert planner.mixes == 2


def changed_chunks(planner: Planner, first: str, second: str, *files: dict[str, Any]) -> list[int]:
    """Return the chunks of ten frames that have another key with the second page, and perhaps second files."""
    before = planner(first, files={"film.mp4": film(), **(files[0] if files else {})}, chunk_size=10)
    after = planner(second, files={"film.mp4": film(), **(files[-1] if files else {})}, chunk_size=10)
    assert before.sound != after.sound
    return [one.index for one, other in zip(before.chunks, after.chunks, strict=True) if one.key != other.key]


SCENE = "<p>text</p>" + audio("{}") + '<video id="v" src="film.mp4" data-start="1" data-duration="1" {}></video>'


@pytest.mark.slow
def test_a_change_of_the_sound_alone_renders_no_chunk_again(planner):
    chain = json.dumps({"version": 1, "nodes": [{"id": "g", "type": "gain", "params": {"gain": -6}}]})
    lane = json.dumps({"version": 1, "lanes": [{"target": "volume", "points": [{"t": 0, "v": 0.5}]}]})
    before = SCENE.format("", "") + '<hf-audio-group id="g"></hf-audio-group>'
    louder = SCENE.format("data-start=0.5 data-audio-group=g", f"data-volume=0.5 data-automation='{lane}'")
    louder += f"<hf-audio-group id='g' data-volume='0.5' data-fx-chain='{chain}'></hf-audio-group>"
    assert changed_chunks(planner, before, louder, {}, {"a.wav": wav(tone(880, 1), "other.wav")}) == []


@pytest.mark.slow
def test_a_change_of_the_sound_in_a_scene_renders_no_chunk_again(planner):
    host = '<div data-composition-id="{0}" {1} data-start="1" data-duration="1"></div>'
    page = host.format("s", 'data-composition-src="s.html"') + host.format("t", "")
    template = '<template id="t-template"><div data-composition-id="t">{}</div></template>'
    scene = '<template><div data-composition-id="s" data-width="64" data-height="64"><p>{}</p>{}</div></template>'
    inner = audio("{0}", "inner") + '<video id="v" src="film.mp4" data-start="0" {0}></video>'
    before, after = inner.format(""), inner.format("data-volume=0.5 data-fade-in=0.5")
    files = [{"s.html": scene.format("text", each)} for each in (before, after)]
    assert changed_chunks(planner, page + template.format(before), page + template.format(after), *files) == []
    files[1]["s.html"] = scene.format("other", after)
    planner.url += "-2"
    assert changed_chunks(planner, page, page + audio(), *files) == [3, 4, 5]


@pytest.mark.slow
def test_a_picture_that_shows_the_time_of_a_sound_is_rendered_again(planner):
    script = "<script>addEventListener('hf-seek', () => { document.title = document.getElementById('a').currentTime })</script>"
    one, other = (audio(f"data-start={start}") + script for start in (0, 0.5))
    assert changed_chunks(planner, one, other) == list(range(9))


@pytest.mark.parametrize(
    ("attributes", "content", "error", "message"),
    sampled(
        [
            ('src="none.wav"', None, errors.AssetError, "none.wav is not in the project"),
            ("", b"<!doctype html><p>Not found", errors.NotMediaError, "b.wav holds a text"),
            ("", b"", errors.SoundSourceError, "b.wav"),
            ("", b"\x89PNG\r\n\x1a\n", errors.MediaTypeError, "b.wav is a picture"),
            ("", "silent", errors.MediaTypeError, "b.wav has no sound"),
            ("data-fx-chain='{'", "song", errors.SoundMarkupError, "data-fx-chain is not JSON"),
            ('data-fx-chain=\'{"version": 2, "nodes": []}\'', "song", errors.SoundMarkupError, "has version"),
            (
                'data-fx-chain=\'{"version": 1, "nodes": [{"type": "wobble"}]}\'',
                "song",
                errors.SoundMarkupError,
                "unknown type",
            ),
            ("data-automation='[]'", "song", errors.SoundMarkupError, "data-automation"),
            ('data-audio-group="g"', "song", errors.SoundMarkupError, "hf-audio-group.*data-fx-chain"),
        ],
        one_of=5,
    ),
)
def test_sounds_that_cannot_be_mixed(attributes, content, error, message, planner):
    known = {"song": song, "silent": cached(bar_code_video, "silent.mp4", 30, size=(64, 32)).read_bytes}
    data = known[content]() if isinstance(content, str) else content
    files = {} if data is None else {"b.wav": data}
    body = (
        audio()
        + f'<audio id="b" {attributes} src="b.wav"></audio><hf-audio-group id="g" data-fx-chain="?"></hf-audio-group>'
    )
    with pytest.raises(error, match=message) as caught:
        planner(body, files=files, load_timeout=10)
    assert caught.type is error
    assert "objects/" not in caught.value.message
    assert '<audio "b">' in caught.value.message or "hf-audio-group" in caught.value.message


def test_a_broken_master_chain_names_the_root(planner):
    with pytest.raises(errors.SoundMarkupError, match='<div "root">: data-fx-chain'):
        planner(audio(), f"{ALONE} data-fx-chain='x'")


def test_a_sound_that_is_never_heard_may_be_anything(planner):
    body = audio() + audio("muted data-fx-chain=x", "b", "b.wav") + audio('data-start="7"', "c", "b.wav")
    assert set(planner.tracks(body, files={"b.wav": b"<html>"})) == {"a"}


def test_sounds_that_end_before_their_clips(planner):
    body = (
        audio('data-duration="2.04"', "near")
        + audio('data-duration="2.5"', "clamped")
        + audio('data-start="2" data-duration="2.5"', "cut")
        + audio("loop", "loops")
        + audio('data-media-start="2" data-duration="1"', "past")
        + '<video id="film" loop src="film.mp4" data-start="0"></video>'
    )
    plan = planner(body, files={"film.mp4": film()})
    found = {text.partition(" ")[2].partition(" ")[0]: text for text in plan.warnings if text.startswith("<")}
    assert set(found) == {'"clamped">', '"loops">', '"past">', '"film">'}
    assert "is declared to last 2.5 s; the sound of a.wav ends 2 s after its in-point" in found['"clamped">']
    assert "begins at 2 s of a.wav, which ends at 2 s" in found['"past">']
    assert "plays once" in found['"loops">']
    assert "plays once" in found['"film">']
    assert {track.id: track.end for track in planner.soundtrack.tracks} == {
        "film-audio": 3,
        "near": 2.04,
        "clamped": 2,
        "cut": 3,
        "loops": 2,
    }


def test_sounds_of_other_sites_are_recorded(planner, web: Web):
    web.pages["/a.wav"] = Page(song(), "audio/wav")
    plan = planner(audio(src=f"{web.url}/a.wav?token=secret"), allow_hosts=["127.0.0.1"])
    assert [each.name for each in plan.only_heard] == [f"{web.url}/a.wav"]
    assert plan.only_heard[0].sha256 in {each.sha256 for each in plan.resources}
    assert not any(each.path.endswith("a.wav") for each in plan.shared_objects if each.path != "a.wav")
    assert "secret" not in str(plan)
    assert planner.mixed(plan)[:, :RATE].any()


def test_sounds_that_scripts_add_are_found(planner):
    script = """setTimeout(() => root.insertAdjacentHTML('beforeend', '<audio id=early src=a.wav></audio>'), 300);
      setTimeout(() => root.insertAdjacentHTML('beforeend', '<audio id=late data-start=1 src=b.wav></audio>'), 1500)"""
    tracks = planner.tracks(audio(), script=script, files={"b.wav": wav(tone(880, 1), "b.wav")})
    assert {id: (track.start, track.end) for id, track in tracks.items()} == {
        "a": (0, 2),
        "early": (0, 2),
        "late": (1, 2),
    }


def test_a_damaged_source_is_a_warning(planner):
    whole = cached(lambda path: write_sound(path, tone(440, 2), "flac"), "whole.flac").read_bytes()
    plan = planner(audio(src="b.flac"), files={"b.flac": whole[: len(whole) // 2]})
    assert any(text.startswith("b.flac: its last ") for text in plan.warnings)


def test_a_still_mixes_nothing(planner, project, tmp_path):
    source = project(ROOT.format(ALONE, audio("data-fx-chain=x")), **{"a.wav": song()})
    hfdask.still(source, 1, tmp_path / "frame.png")
    assert planner.mixes == 0


@pytest.mark.slow
def test_a_worker_plans_the_same_sound(planner, tmp_path, monkeypatch):
    source = planner.project(ROOT.format(ALONE, audio()), **{"a.wav": song()})
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        result = hfdask.render(
            source, tmp_path / "out.mp4", client=client, plan_dir=planner.url, plan_on="worker", check="off"
        )
    assert result.planned_on
    assert result.sound is not None
    here = hfdask.plan(source, tmp_path / "here", check="off").manifest
    assert hfdask.Plan.open(planner.url).manifest.sound == here.sound
