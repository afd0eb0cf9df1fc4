"""The newest picture of a worker: made when asked for, and seldom."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from media_samples import png

from hfdask.cluster import pictures
from hfdask.cluster.names import chunk_name, chunk_of
from hfdask.cluster.pictures import NewestPicture, checked
from hfdask.errors import MediaError
from hfdask.media.captured import Picture as Captured
from hfdask.media.captured import PixelPicture, PngPicture

PNG = PngPicture(png(np.full((90, 160, 3), 80, np.uint8)))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Captured]:
    """The pictures of which a thumbnail was made."""
    found: list[Captured] = []
    real = pictures._thumbnail

    def noted(picture: Captured) -> bytes:
        found.append(picture)
        return real(picture)

    monkeypatch.setattr(pictures, "_thumbnail", noted)
    return found


def test_frames_cost_no_thumbnail_until_one_is_asked_for(made):
    newest = NewestPicture()
    assert asyncio.run(newest.answer()) == {}
    for frame in range(1000):
        newest.note("render", 0, frame, PNG)
    assert made == []
    picture = checked(asyncio.run(newest.answer()))
    assert (picture.render, picture.chunk, picture.frame, picture.number) == ("render", 0, 999, 0)
    assert made == [PNG]


def test_many_askers_get_one_thumbnail_in_two_seconds(made):
    newest = NewestPicture()

    async def ask() -> list[int]:
        newest.note("render", 0, 1, PNG)
        answers = await asyncio.gather(*(newest.answer() for _ in range(20)))
        newest.note("render", 0, 2, PNG)
        return [answer["frame"] for answer in [*answers, await newest.answer()]]

    assert asyncio.run(ask()) == [1] * 21
    assert len(made) == 1


def test_a_later_frame_gets_a_new_number(made, monkeypatch):
    monkeypatch.setattr(pictures, "SECONDS", 0.0)
    newest = NewestPicture()
    newest.note("render", 0, 1, PNG)
    first = asyncio.run(newest.answer())
    again = asyncio.run(newest.answer(known=first["number"]))
    assert (again["number"], again["jpeg"], len(made)) == (0, b"", 1)
    newest.note("render", 3, 2, PNG)
    later = asyncio.run(newest.answer(known=0))
    assert (later["number"], later["chunk"], later["frame"], later["jpeg"] != b"") == (1, 3, 2, True)


def test_a_picture_that_was_released_meanwhile_is_replaced_by_the_next_one(made):
    newest = NewestPicture()
    pixels = np.full((90, 160, 4), 80, np.uint8)

    async def ask() -> dict[str, object]:
        released = PixelPicture(pixels)
        released.release()
        newest.note("render", 0, 1, released)
        asked = asyncio.create_task(newest.answer())
        while not made:
            await asyncio.sleep(0)
        newest.note("render", 0, 2, PixelPicture(pixels))
        return await asked

    assert checked(asyncio.run(ask())).frame == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"jpeg": b"<svg onload=alert(1)>"},
        {"jpeg": None},
        {"jpeg": 10**12},
        {"render": "a\nb"},
        {"frame": -1},
        {"chunk": "0"},
    ],
)
def test_an_answer_that_is_not_a_picture_is_refused(changed):
    newest = NewestPicture()
    newest.note("render", 0, 1, PNG)
    answer = asyncio.run(newest.answer())
    assert checked(answer).url.startswith("data:image/jpeg;base64,/9j/")
    with pytest.raises(MediaError):
        checked({**answer, **changed})


def test_keys_of_chunk_tasks_are_read_as_they_are_written():
    token = "0123abcd" * 4
    assert chunk_of((chunk_name(token), 7)) == (token, 7, 0)
    assert chunk_of((chunk_name(token, 12), 7)) == (token, 7, 12)
    assert chunk_of((f"render_video-{token}-r2", 99_999)) == (token, 99_999, 2)
    for other in ("render_chunk-a", ("sum-abc", 1), ("render_chunk-a", "1"), (1, 2), ("render_chunk-a", 1, 2)):
        assert chunk_of(other) is None
