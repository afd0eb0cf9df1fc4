"""Keys of chunks, from the report of a page, without a browser."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from clip_samples import CLIP, MIX, planned
from hypothesis import given
from hypothesis import strategies as st

from hfdask.core.model import (
    PROTOCOL,
    Artifact,
    ChunkRange,
    Environment,
    FontSet,
    Manifest,
    PageParts,
    PageSettings,
    Rate,
    Resource,
    TimedPart,
    Timeline,
    Video,
)
from hfdask.core.sound import PlannedSound, SoundSource
from hfdask.core.video_clip import VideoClip
from hfdask.core.video_source import Ratio
from hfdask.formats.table import encoder_settings
from hfdask.planning.content_keys import chunk_keys


@dataclass
class World:
    """A plan of ten frames a second in ten chunks of five, and its page's report."""

    folder: Path
    parts: dict[str, Any]
    resources: tuple[Resource, ...] = ()
    fps: Rate = field(default_factory=lambda: Rate(num=10, den=1))
    timeout: float = 30.0
    videos: tuple[Video, ...] = ()
    clips: tuple[VideoClip, ...] = ()
    heard: tuple[str, ...] = ()
    sound: PlannedSound | None = None

    def keys(self, files: dict[str, str] | None = None, **parts: Any) -> list[str]:
        contents = {path: text.encode() for path, text in (files or {}).items()}
        places = {}
        for number, (path, content) in enumerate(contents.items()):
            places[path] = self.folder / str(number)
            places[path].write_bytes(content)
        artifacts = [Artifact(path=path, sha256=_sha256(content), size=0) for path, content in contents.items()]
        told = {
            "rest": "",
            "units": (),
            "files": {},
            "texts": {},
            "everywhere": (),
            "variables": {},
            **self.parts,
            **parts,
        }
        manifest = self.manifest(artifacts)
        return list(map(chunk_keys(manifest, PageParts(**told), places), manifest.chunks))

    def manifest(self, artifacts: list[Artifact]) -> Manifest:
        page = PageSettings(
            width=160,
            height=90,
            capture_mode="beginframe",
            fragment=False,
            variables={},
            page_errors="raise",
            load_timeout=45.0,
            frame_timeout=self.timeout,
        )
        return Manifest(
            protocol=PROTOCOL,
            plan_hash="",
            entry="index.html",
            fps=self.fps,
            width=160,
            height=90,
            frames=50,
            chunks=tuple(ChunkRange(index=k, start=5 * k, end=5 * k + 5) for k in range(10)),
            format="mp4",
            encoder=encoder_settings("draft", None, None, self.fps.fraction),
            page=page,
            environment=Environment(platform="", browser="", pyav="", ffmpeg="", runtime=""),
            timeline=Timeline(
                composition_id="c",
                duration=5.0,
                duration_source="data-duration",
                clips=(),
                timelines=(),
                adapters=(),
            ),
            artifacts=(Artifact(path="index.html", sha256="0" * 64, size=0), *artifacts),
            resources=self.resources,
            fonts=FontSet(files=(), stand_ins={}),
            videos=self.videos,
            clips=self.clips,
            only_heard=tuple(
                SoundSource(name=each.path, sha256=each.sha256, size=each.size)
                for each in artifacts
                if each.path in self.heard
            ),
            sound=self.sound,
            warnings=(),
        )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def world(tmp_path: Path) -> Callable[..., World]:
    return lambda **parts: World(tmp_path, parts)


def unit(text: str, *windows: tuple[float, float | None], place: str = "") -> TimedPart:
    return TimedPart(text=text, place=place, windows=windows)


def differing(one: list[str], other: list[str]) -> list[int]:
    return [index for index, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]


EVERYWHERE = list(range(10))
FIRST, SECOND = unit("first", (0.0, 1.0)), unit("second", (1.0, 3.0))


def test_a_unit_is_seen_in_the_chunks_that_its_window_meets(world):
    there = world(units=(FIRST, SECOND))
    before = there.keys()
    assert differing(before, there.keys(units=(unit("other", (0.0, 1.0)), SECOND))) == [0, 1]
    assert differing(before, there.keys(units=(FIRST, unit("other", (1.0, 3.0))))) == [2, 3, 4, 5]
    assert differing(before, there.keys(units=(FIRST, SECOND, unit("third", (4.75, None))))) == [9]
    assert differing(before, there.keys(units=(FIRST, SECOND, unit("never", (1.41, 1.45))))) == []
    assert differing(before, there.keys(rest="other")) == EVERYWHERE


def test_only_an_end_within_a_chunk_is_seen(world):
    there = world(units=(FIRST, SECOND))
    before = there.keys()
    assert differing(before, there.keys(units=(FIRST, unit("second", (1.0, 3.5))))) == [6]
    assert differing(before, there.keys(units=(FIRST, unit("second", (1.0, 3.2))))) == [6]
    assert differing(before, there.keys(units=(FIRST, unit("second", (1.0, 2.8))))) == [5]
    assert differing(before, there.keys(units=(FIRST, unit("second", (1.1, 3.0))))) == [2, 3, 4, 5]


@given(start=st.integers(0, 49), length=st.integers(1, 49), rate=st.sampled_from([(10, 1), (30000, 1001), (7, 3)]))
def test_windows_are_those_of_the_page_in_doubles(start, length, rate, tmp_path_factory):
    """A clip shows where ``start <= time < end``: in every chunk with such a frame, and in no other."""
    there = World(tmp_path_factory.getbasetemp(), {}, fps=Rate(num=rate[0], den=rate[1]))
    times = [frame * rate[1] / rate[0] for frame in range(100)]  # as the page computes them
    window = (times[start], times[start + length])
    seen = differing(there.keys(), there.keys(units=(unit("x", window),)))
    shows = {frame // 5 for frame in range(50) if window[0] <= times[frame] < window[1]}
    assert seen == sorted(shows)


NAMED = [
    ("pictures/cat.png", "<img src='pictures/cat.png'>"),
    ("a cat.png", "<img src='a%20cat.png?v=2'>"),
    ("a cat.png", "<img src='a cat.png'>"),
    ("größe.svg", "url(gr%C3%B6%C3%9Fe.svg)"),
    ("größe.svg", "url(größe.svg)"),
    ("cat.png", "load('cat.png')"),
    ("deep/down/cat.png", "const base = 'deep/down/'; load(base + `cat.png`)"),
    ("x(1).png", "<img src='x(1).png'>"),
]


@pytest.mark.parametrize(("path", "text"), NAMED)
def test_a_file_is_seen_where_its_name_stands(path, text, world):
    there = world(units=(unit(text, (0.0, 1.0)), SECOND))
    assert differing(there.keys({path: "1"}), there.keys({path: "2"})) == [0, 1]


def test_what_a_file_names_is_seen_with_it(world):
    there = world(units=(unit("look.css", (0.0, 1.0)), SECOND))
    files = {"look.css": "@import 'more.css'", "more.css": "url(cat.png)", "cat.png": "1"}
    assert differing(there.keys(files), there.keys({**files, "cat.png": "2"})) == [0, 1]
    assert differing(there.keys(files), there.keys({**files, "look.css": "nothing"})) == [0, 1]


def test_of_files_without_a_name_the_folder_counts(world):
    there = world(units=(unit("`frames/${n}.png`", (0.0, 1.0)), SECOND), served=("frames/1.png",))
    files = {"frames/1.png": "1", "frames/2.png": "2", "notes/a.txt": "3", "b.txt": "4"}
    before = there.keys(files)
    assert differing(before, there.keys({**files, "frames/2.png": "x"})) == [0, 1]
    assert differing(before, there.keys({**files, "notes/a.txt": "x"})) == []
    assert differing(before, there.keys({**files, "b.txt": "x"})) == []
    assert (
        differing(there.keys(files, served=("b.txt",)), there.keys({**files, "b.txt": "x"}, served=("b.txt",)))
        == EVERYWHERE
    )


def test_mounted_files_are_seen_in_the_windows_of_their_hosts(world):
    there = world(
        rest="scenes/a.html",  # its name is not the place of its pictures
        files={"scenes/a.html": ((0.0, 0.5), (4.5, None)), "scenes/b.html": ((1.0, 1.5),)},
    )
    files = {"scenes/a.html": "<img src=cat.png>", "scenes/b.html": "b", "cat.png": "1"}
    before = there.keys(files)
    assert differing(before, there.keys({**files, "scenes/a.html": "a"})) == [0, 9]
    assert differing(before, there.keys({**files, "scenes/b.html": "x"})) == [2]
    assert differing(before, there.keys({**files, "cat.png": "x"})) == [0, 9]


def test_sheets_that_sub_compositions_link_act_everywhere(world):
    files = {"a.html": "look.css", "look.css": "1"}
    there = world(files={"a.html": ((0.0, 0.5),)}, everywhere=("look.css",))
    assert differing(there.keys(files), there.keys({**files, "look.css": "2"})) == EVERYWHERE


def test_a_mounted_file_counts_without_its_sounds(world):
    windows: dict[str, Any] = {"scenes/a.html": ((0.0, 0.5),)}
    files = {"scenes/a.html": "<audio><img src=cat.png>", "cat.png": "1"}
    there = world(files=windows, texts={"scenes/a.html": "<img src=cat.png>"})
    before = there.keys(files)
    assert differing(before, there.keys({**files, "scenes/a.html": "<img src=cat.png>"})) == []
    assert differing(before, there.keys({**files, "cat.png": "2"})) == [0]
    assert differing(before, there.keys(files, texts={"scenes/a.html": "<b>"})) == [0]


def test_sound_is_seen_nowhere(world):
    there = world(units=(FIRST, unit("<audio src='song.mp3' data-volume='1'>")), served=("song.mp3",))
    files = {"song.mp3": "la"}
    before = there.keys(files)
    assert differing(before, there.keys({"song.mp3": "li"})) == []
    louder = (FIRST, unit("<audio src='song.mp3' data-volume='2'>"))
    assert differing(before, there.keys(files, units=louder)) == []
    assert differing(before, there.keys(files, sounds_read=('["a",2]',))) == EVERYWHERE


def test_a_file_that_only_sounds_affects_no_frame(world):
    files, rest = {"song.mp3": "la"}, "play('song.mp3')"
    other = {"song.mp3": "li"}
    assert differing(world(rest=rest).keys(files), world(rest=rest).keys(other)) == EVERYWHERE
    heard = world(rest=rest)
    heard.heard = ("song.mp3",)
    before = heard.keys(files)
    heard.sound = MIX
    assert differing(before, heard.keys(other)) == []


def test_variables(world):
    units = (unit('<b data-var-text="title">', (0.0, 1.0)), unit("color: var(--main-tint)", (1.0, 3.0)))
    there = world(units=units, variables={"title": "a", "Main Tint": "b", "idle": "c"})
    before = there.keys()
    assert differing(before, there.keys(variables={"title": "x", "Main Tint": "b", "idle": "c"})) == [0, 1]
    assert differing(before, there.keys(variables={"title": "a", "Main Tint": "x", "idle": "c"})) == [2, 3, 4, 5]
    assert differing(before, there.keys(variables={"title": "a", "Main Tint": "b", "idle": "x"})) == []
    reads = {"rest": "const all = getVariables()"}
    idle = {"title": "a", "Main Tint": "b", "idle": "x"}
    assert differing(there.keys(**reads), there.keys(**reads, variables=idle)) == EVERYWHERE


def test_a_file_that_a_variable_names(world):
    units = (unit('<img data-var-src="photo">', (0.0, 1.0)),)
    there = world(units=units, variables={"photo": {"url": "ann.png"}}, served=("ann.png",))
    assert differing(there.keys({"ann.png": "1"}), there.keys({"ann.png": "2"})) == [0, 1]


def test_resources_are_seen_where_they_are_named(world):
    def resource(url: str, body: str) -> Resource:
        key = hashlib.sha256(url.encode()).hexdigest()
        return Resource(key=key, method="GET", url=url, status=200, headers={}, sha256=body * 64, size=1)

    there = world(units=(unit("https://cdn.test/npm/gsap@3.min.js", (0.0, 1.0)),))
    for url, seen in (("https://cdn.test/npm/gsap@3.min.js", [0, 1]), ("https://else.test/data", EVERYWHERE)):
        keys = []
        for body in "ab":
            there.resources = (resource(url, body),)
            keys.append(there.keys())
        assert differing(*keys) == seen


def test_limits_of_time_are_not_seen_but_the_rate_is(world):
    there = world(units=(FIRST,))
    before = there.keys()
    there.timeout = 5.0
    assert there.keys() == before
    there.fps = Rate(num=20, den=2)
    assert differing(before, there.keys()) == EVERYWHERE


# Videos


def playing(there: World, content: bytes = b"film", clip: VideoClip = CLIP, **video: Any) -> list[str]:
    """The keys of a plan with a clip of one to three seconds, in the chunks 2 to 5."""
    entry = msgspec.structs.replace(planned(content)[0], **video)
    there.videos, there.clips = (entry,), (clip,)
    return there.keys({"a.mp4": content.decode()})


def test_a_replaced_film_changes_the_chunks_that_show_it(world):
    there = world(rest="a.mp4", served=())
    assert differing(playing(there), playing(there, b"other")) == [2, 3, 4, 5]
    # unless pages read the file themselves
    asked = playing(there, asked=True)
    assert differing(asked, playing(there, b"other", asked=True)) == EVERYWHERE


def test_a_film_of_another_size_may_move_what_is_around_it(world):
    there = world()
    source = msgspec.structs.replace(planned(b"film")[0].source, display_width=99)
    assert differing(playing(there), playing(there, source=source)) == EVERYWHERE
    longer = msgspec.structs.replace(planned(b"film")[0].source, playable=Ratio(num=9, den=1))
    assert differing(playing(there), playing(there, source=longer)) == []


@pytest.mark.parametrize(
    "change", [{"media_start": 0.5}, {"rate": 2.0}, {"loop": True}, {"origin": 0.5}, {"pace": 2.0}]
)
def test_what_a_clip_plays_is_seen_where_it_shows(world, change):
    there = world()
    assert differing(playing(there), playing(there, clip=msgspec.structs.replace(CLIP, **change))) == [2, 3, 4, 5]


def test_the_window_of_a_clip_is_seen_where_it_changes(world):
    there = world()
    shorter = playing(there, clip=msgspec.structs.replace(CLIP, end=2.7))
    assert differing(playing(there), shorter) == [5]
    assert differing(playing(there), playing(there, clip=msgspec.structs.replace(CLIP, start=1.5))) == [2]


def test_the_number_of_a_source_does_not_matter(world):
    there = world()
    before = playing(there)
    there.videos, there.clips = (planned(b"x")[0], *there.videos), (msgspec.structs.replace(CLIP, video=1),)
    assert there.keys({"a.mp4": "film"}) == before
