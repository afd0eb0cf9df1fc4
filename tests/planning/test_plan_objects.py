"""Which files of a plan a page needs to show some frames, and which of them travel together."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import Any

import msgspec
import pytest
from clip_samples import CLIP, MIX, planned
from document_samples import CONTENTS, FILM, FILM_INDEX, manifest

from hfdask import errors
from hfdask.core.model import Artifact, Manifest
from hfdask.core.sound import SoundSource
from hfdask.manifest.reading import require_consistent
from hfdask.rendering.plan_page import PlanPage
from hfdask.store import Snapshot, Store, packing


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HFDASK_CACHE", str(tmp_path / "cache"))


def with_clip(**changes: object) -> Manifest:
    """A plan of 20 frames with a clip in the frames 5 to 9."""
    clip = msgspec.structs.replace(CLIP, start=5 / 30, end=10 / 30)
    return msgspec.structs.replace(manifest(), clips=(clip,), **changes).sealed()


def names(of: Manifest, frames: object) -> set[str]:
    return {each.path for each in of.objects_for(frames)}  # type: ignore[arg-type]


def test_only_frames_that_show_a_video_need_it():
    plan = with_clip()
    film = {FILM.path, FILM.index.path}
    always = names(plan, range(0))
    assert not always & film
    assert names(plan, range(5)) == names(plan, range(10, 20)) == names(plan, (0, 4, 10)) == always
    assert names(plan, range(4, 6)) == names(plan, range(9, 20)) == names(plan, (0, 7)) == always | film


def test_a_video_that_the_page_asks_for_is_needed_always():
    plan = with_clip(videos=(msgspec.structs.replace(FILM, asked=True),))
    assert "a.mp4" in names(plan, range(5))
    assert FILM.index.path not in names(plan, range(5))


def test_small_videos_do_not_travel_with_other_files():
    plan = with_clip()
    packed = {digest for pack in packing(plan.objects) for digest, _ in pack.members}
    assert packed
    assert not packed & {FILM.sha256, FILM.index.sha256}


SONG = SoundSource(name="song.mp3", sha256=hashlib.sha256(b"song").hexdigest(), size=4)


def test_no_frame_needs_a_sound_or_the_mix():
    song = Artifact(path=SONG.name, sha256=SONG.sha256, size=SONG.size)
    plan = with_clip(artifacts=(*manifest().artifacts, song), only_heard=(SONG,), sound=MIX)
    require_consistent(plan, "here")
    assert {SONG.path, MIX.path} <= {each.path for each in plan.objects}
    assert not names(plan, range(20)) & {SONG.path, MIX.path}
    packed = {digest for pack in packing(plan.objects) for digest, _ in pack.members}
    assert not packed & {SONG.sha256, MIX.sha256}


@pytest.mark.parametrize("earlier", [False, True])
def test_a_page_without_a_video_fetches_none(earlier, tmp_path, monkeypatch):
    plan, store = with_clip(), Store(f"memory://{uuid.uuid4().hex}")
    with Snapshot(store) as snapshot:
        snapshot.add_all(CONTENTS.values())
        if earlier:  # as a driver without a browser does, which does not know yet which files are videos
            snapshot.publish(plan.artifacts)
        snapshot.publish(plan.objects, plan.artifacts if earlier else ())
    fetched: list[str] = []
    fetch = Store.fetch

    def noted(self: Store, name: str, *args: Any, **more: Any) -> Path:
        fetched.append(name)
        return fetch(self, name, *args, **more)

    monkeypatch.setattr(Store, "fetch", noted)
    monkeypatch.setenv("HFDASK_CACHE", str(tmp_path / "of another machine"))
    with PlanPage.of(store, plan, range(5)) as page:
        assert not any(FILM.sha256 in name or FILM.index.sha256 in name for name in fetched)
        assert page.videos.local == {}
        assert not page.files["a.mp4"].is_file()
        assert page.files["index.html"].read_bytes() == CONTENTS["index.html"]
    with PlanPage.of(store, plan, range(5, 20)) as page:
        assert page.videos.local[0].file.read_bytes() == page.files["a.mp4"].read_bytes() == b"film"
        assert len(page.videos.local[0].index) == 60


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"clips": (msgspec.structs.replace(CLIP, video=1),)}, "plays no video"),
        ({"clips": (CLIP, CLIP)}, "same id"),
        ({"videos": (planned(b"nowhere")[0],)}, "no file of the plan"),
        (
            {"videos": (FILM,), "artifacts": (Artifact(path="index.html", sha256=FILM.sha256, size=FILM.size),)},
            "is a video",
        ),
        ({"only_heard": (SONG,)}, "digest of a sound"),
        ({"sound": msgspec.structs.replace(MIX, samples=31_999)}, "31999 samples"),
        ({"videos": (FILM, msgspec.structs.replace(FILM, size=7))}, "two different sizes"),
    ],
)
def test_plans_that_contradict_themselves(changes, what):
    plan = msgspec.structs.replace(manifest(), **changes)
    with pytest.raises(errors.PlanCorruptError, match=what):
        require_consistent(plan, "here")


def test_a_frame_index_that_is_none_is_found(tmp_path):
    store = Store(str(tmp_path / "plan"))
    bad = b"{}"
    index = msgspec.structs.replace(FILM.index, sha256=hashlib.sha256(bad).hexdigest(), size=len(bad))
    plan = with_clip(videos=(msgspec.structs.replace(FILM, index=index),))
    with Snapshot(store) as snapshot:
        snapshot.add_all([*CONTENTS.values(), bad])
    with pytest.raises(errors.PlanCorruptError, match=r"frame index of a\.mp4"), PlanPage.of(store, plan, range(5, 9)):
        pass
    assert bad != FILM_INDEX
