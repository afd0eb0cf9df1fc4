"""Source videos and clips in plans: probing, errors and warnings, windows of scenes (docs/compositions.md, 9)."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from slow import sampled
from video_samples import bar_code_video, cached, color_video
from web import Page, Web

import hfdask
from hfdask import errors
from hfdask.core.model import Manifest
from hfdask.core.video_clip import frames_of, source_frames
from hfdask.rendering.plan_page import PlanPage

pytestmark = pytest.mark.browser

ROOT = '<div data-composition-id="c" data-width="64" data-height="64" {}>{}</div>'
ALONE = 'data-duration="3" data-no-timeline'


def film(name: str = "two-seconds.mp4", frames: int = 60, **options: Any) -> bytes:
    return cached(bar_code_video, name, frames, size=(64, 32), **options).read_bytes()


@pytest.fixture
def manifest(project: Callable[..., Path], tmp_path: Path) -> Callable[..., Manifest]:
    """Plan a body with these files. If `a.mp4` is not given, it has two seconds of 30 frames each."""

    def run(body: str, root: str = ALONE, *, options: dict[str, Any] | None = None, **files: bytes | str) -> Manifest:
        contents = {name.replace("_dot_", "."): content for name, content in files.items()}
        source = project(ROOT.format(root, body), **{"a.mp4": film(), **contents})
        return hfdask.plan(source, tmp_path / "plan", check="off", **{"sweep": 15, **(options or {})}).manifest

    return run


def video(attributes: str = "", id: str = "v", src: str = "a.mp4") -> str:
    return f'<video id="{id}" muted src="{src}" data-start="0" {attributes}></video>'


def warned(of: Manifest) -> list[str]:
    return [text for text in of.warnings if "key frames" not in text]


def test_a_plan_has_the_source_once_and_each_clip(manifest):
    body = video('data-duration="1"') + video('data-start="1" data-duration="1" data-media-start="0.5" loop', "w")
    plan = manifest(body.replace('data-start="0" data-start="1"', 'data-start="1"'))
    [entry] = plan.videos
    assert (entry.name, entry.asked, entry.source.codec) == ("a.mp4", False, "h264")
    assert entry.source.playable.fraction == 2
    assert entry.sha256 == next(each.sha256 for each in plan.artifacts if each.path == "a.mp4")
    assert [(clip.id, clip.video, clip.start, clip.end, clip.media_start, clip.loop) for clip in plan.clips] == [
        ("v", 0, 0, 1, 0, False),
        ("w", 0, 1, 2, 0.5, True),
    ]
    assert plan.page.durations == {"v": 2, "w": 2}
    assert warned(plan) == []


def test_a_worker_finds_the_frames_of_the_source(manifest, tmp_path):
    plan = manifest(video('data-duration="2" data-media-start="0.5" data-playback-rate="0.5"'))
    store = hfdask.Plan.open(tmp_path / "plan").location.store()
    with PlanPage.of(store, plan, range(10)) as page:
        planned = page.videos.local[0]
        shown = source_frames(plan.clips[0], page.videos.sources[0], planned.index, range(0, 90, 20), plan.fps.fraction)
        assert shown == (15, 25, 35, None, None)
        assert planned.file.read_bytes() == film()


@pytest.mark.slow
def test_planning_twice_gives_the_same_plan(project, tmp_path):
    source = project(
        ROOT.format(ALONE, video() + video(id="w", src="b.mp4")), **{"a.mp4": film(), "b.mp4": film("b.mp4", 30)}
    )
    assert len({hfdask.plan(source, tmp_path / name, check="off").hash for name in "ab"}) == 1


@pytest.mark.slow
def test_clips_that_follow_a_source_begin_at_its_end(manifest):
    body = video() + '<video id="w" muted src="a.mp4" data-start="v + 0.5"></video>'
    plan = manifest(body, "data-no-timeline")
    assert plan.frames == 135  # two seconds, half a second, and two more seconds
    assert [(clip.start, clip.end) for clip in plan.clips] == [(0, 4.5), (2.5, 4.5)]


def test_a_page_that_fetches_a_video_needs_it_in_every_chunk(manifest):
    plan = manifest(video() + "<script>fetch('a.mp4').then((answer) => answer.blob())</script>")
    assert plan.videos[0].asked


def test_videos_of_other_sites_are_recorded(manifest, web: Web):
    web.pages["/films/a.mp4"] = Page(film(), "video/mp4")
    web.pages["/moved"] = Page("", status=302, headers={"Location": "/films/a.mp4"})
    body = video(src=f"{web.url}/films/a.mp4?token=secret") + video(id="w", src=f"{web.url}/moved")
    plan = manifest(body, options={"allow_hosts": ["127.0.0.1"]})
    assert {each.name for each in plan.videos} == {f"{web.url}/films/a.mp4", f"{web.url}/moved"}
    [content] = {each.sha256 for each in plan.videos}
    assert content in {each.sha256 for each in plan.resources}
    assert not any(each.asked for each in plan.videos)
    assert "secret" not in str(plan)


def test_a_source_that_no_site_has(manifest, web: Web):
    with pytest.raises(errors.AssetError, match=r"none\.mp4.*404"):
        manifest(video(src=f"{web.url}/none.mp4"), options={"allow_hosts": ["127.0.0.1"]})


@pytest.mark.sample("None-AssetError-not in the project.*")
@pytest.mark.parametrize(
    ("content", "error", "message"),
    sampled(
        [
            (None, errors.AssetError, "not in the project.*"),
            (b"<!doctype html><p>Not found", errors.NotMediaError, "holds a text"),
            (b"", errors.VideoSourceError, "no bytes"),
            (b"\x89PNG\r\n\x1a\n", errors.MediaTypeError, "picture"),
        ],
        one_of=2,
    ),
)
def test_sources_that_cannot_be_rendered(content, error, message, manifest):
    files = {} if content is None else {"b.mp4": content}
    with pytest.raises(error, match=message) as caught:
        manifest(video() + video(id="w", src="b.mp4"), **files)
    assert caught.type is error
    assert "<video" in caught.value.message
    assert '"w"' in caught.value.message
    assert "b.mp4" in caught.value.message
    assert "objects/" not in caught.value.message


def test_a_source_that_is_never_shown_may_be_anything(manifest):
    plan = manifest(video() + '<video id="w" muted src="b.mp4" data-start="7"></video>', **{"b.mp4": b"<html>"})
    assert [clip.id for clip in plan.clips] == ["v"]


def test_sources_in_urls_are_refused(manifest):
    with pytest.raises(errors.UnsupportedFeatureError, match="data:"):
        manifest(video(src="data:video/mp4;base64,AAAA"))


def test_automation_that_cannot_be_read(manifest):
    with pytest.raises(errors.VideoClipError, match=r'<video "v">: data-automation has version 2'):
        manifest(video("""data-automation='{"version": 2}'"""))


@pytest.mark.parametrize("attributes", ["", 'loop data-duration="1"'])
def test_an_in_point_past_the_end_of_the_source(manifest, attributes):
    with pytest.raises(errors.MediaStartError, match=r"begins at 2 s of a\.mp4, which ends at 2 s"):
        manifest(video(f'data-media-start="2" {attributes}'))


def test_an_in_point_past_the_end_holds_the_last_frame_for_a_given_time(manifest):
    plan = manifest(video('data-media-start="5" data-duration="1"'))
    assert len(plan.clips) == 1
    assert "its last frame is shown" in warned(plan)[0]


@pytest.mark.parametrize(
    ("attributes", "lasts"),
    sampled(
        [
            ('data-duration="2.04"', None),
            ('data-duration="2.06"', "2 s"),
            ('data-duration="2.5" data-playback-rate="0.5"', None),
            ('data-duration="2.5" data-media-start="1" data-playback-rate="0.5"', "2 s"),
            ('data-duration="2.5" loop', None),
            ('data-duration="9" data-playback-rate="0.6"', None),  # the whole video ends before
            ("", None),
        ],
        one_of=6,
    ),
)
def test_slots_longer_than_their_source(attributes, lasts, manifest):
    found = warned(manifest(video(attributes)))
    assert [f"a.mp4 lasts only {lasts}" in text for text in found] == ([True] if lasts else [])


def test_properties_of_sources_that_are_worth_a_warning(manifest):
    times = [Fraction(n * n, 400) for n in range(40)]
    uneven = film("uneven.mp4", 40, times=times, gop=100)
    found = manifest(video(), **{"a.mp4": uneven}).warnings
    assert any("uneven distances" in text for text in found)
    assert any("between key frames" in text for text in found)
    path = cached(color_video, "opaque.webm", [(255, 0, 0, 255)] * 4, codec="libvpx-vp9", pix_fmt="yuva420p")
    found = manifest(video(src="o.webm"), **{"o.webm": path.read_bytes()}).warnings
    assert any("transparent" in text for text in found)


SCENES = """<style>@keyframes on {{ from, to {{ opacity: 1 }} }} .scene {{ opacity: 0; animation: on {} both }}</style>
<div class="scene"><video id="v" muted src="a.mp4"></video></div>"""


@pytest.mark.parametrize("sweep", sampled([None, 0, 40]))
def test_a_video_without_a_start_plays_while_its_scene_can_be_seen(sweep, manifest):
    # from 37 / 30 to 61 / 30, open at the end
    body = SCENES.format("0.8s 1.2333s linear").replace(" both", "")
    plan = manifest(body, options={"sweep": sweep})
    assert frames_of(plan.clips[0], plan.fps.fraction) == range(37, 61)
    assert plan.clips[0].origin == plan.clips[0].start


def test_a_video_without_a_start_and_a_scene_plays_from_the_beginning(manifest):
    plan = manifest('<video id="v" muted src="a.mp4"></video>')
    assert frames_of(plan.clips[0], plan.fps.fraction) == range(90)


def test_a_video_whose_scene_never_shows_is_no_clip(manifest):
    plan = manifest(
        '<div class="scene" style="opacity: 0"><video id="v" muted src="b.mp4"></video></div>', **{"b.mp4": b"<html>"}
    )
    assert (plan.clips, plan.videos) == ((), ())


def test_videos_that_scripts_add_while_the_video_runs(manifest):
    script = """<script>addEventListener('hf-seek', ({detail}) => {
      if (detail.time < 1 || document.getElementById('late')) return;
      root.insertAdjacentHTML('beforeend', '<video id="late" muted src="b.mp4" data-start="1" data-duration="1"></video>');
      root.insertAdjacentHTML('beforeend', '<video id="bare" muted src="b.mp4"></video>');
      document.getElementById('v').dataset.start = '0.5';
    })</script>"""
    body = f'<div id="root">{video()}</div>{script}'
    plan = manifest(body, **{"b.mp4": film("b.mp4", 30)})
    assert [(clip.id, clip.start) for clip in plan.clips] == [("v", 0), ("late", 1), ("bare", 0)]
    assert plan.page.durations == {"v": 2, "late": 1, "bare": 1}
    assert sum('changes what <video "v"> plays' in text for text in plan.warnings) == 1


@pytest.mark.parametrize("tag", ["video", "audio"])
def test_a_page_without_a_root_has_no_media(tag, manifest, project, tmp_path):
    page = f'<{tag} src="a.mp4"></{tag}><script>window.__hf = {{duration: 1, seek() {{}}}}</script>'
    source = project(page, **{"a.mp4": film()})
    with pytest.raises(errors.UnsupportedFeatureError, match="without a composition"):
        hfdask.plan(source, tmp_path / "plan", check="off")


def changed_chunks(manifest: Callable[..., Manifest], first: tuple[str, bytes], second: tuple[str, bytes]) -> list[int]:
    """Return the chunks of ten frames that have another key with the second page and film."""
    plans = [manifest(body, **{"a.mp4": content}, options={"chunk_size": 10}) for body, content in (first, second)]
    return [one.index for one, other in zip(plans[0].chunks, plans[1].chunks, strict=True) if one.key != other.key]


SHOWN = '<p>text</p><video id="v" muted src="a.mp4" data-start="1" data-duration="1" {}></video>'


@pytest.mark.slow
def test_a_replaced_or_trimmed_film_renders_only_its_chunks_again(manifest):
    body = SHOWN.format("")
    other = film("other.mp4", 70, first=500)
    assert changed_chunks(manifest, (body, film()), (body, other)) == [3, 4, 5]
    trimmed = SHOWN.format('data-media-start="0.5"')
    assert changed_chunks(manifest, (body, film()), (trimmed, film())) == [3, 4, 5]
    bare = "<p>{}</p><video id='v' muted src='a.mp4'></video>"  # the document stays apart from it
    assert changed_chunks(manifest, (bare.format(1), film()), (bare.format(1), film())) == []


def test_planning_does_not_wait_for_a_source_that_cannot_be_used(manifest):
    with pytest.raises(errors.NotMediaError):
        manifest(video(src="b.mp4"), options={"load_timeout": 10}, **{"b.mp4": b"<html>"})
    late = "<script>setTimeout(() => { root.innerHTML = `" + video(src="b.mp4") + "` }, 300)</script>"
    with pytest.raises(errors.NotMediaError):
        manifest('<div id="root"></div>' + late, options={"load_timeout": 10}, **{"b.mp4": b"<html>"})
