"""Sounds of a page are heard in its video, at their time, with any division into chunks."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from mix_samples import clicks, played, write_flac

import hfdask
from hfdask.core.sound import SAMPLE_RATE

pytestmark = pytest.mark.browser

PAGE = """<div data-composition-id="c" data-width="160" data-height="90" data-duration="1" data-no-timeline>
<audio id="late" src="clicks.flac" data-start="0.25" data-volume="0.5"></audio>
<div class="clip" data-start="0" style="width:40px;height:40px;background:#c33;animation:go 1s linear both"></div>
<style>@keyframes go { to { transform: translateX(100px) } }</style></div>"""
FPS = 21
PLACES = (0, 9_001, 30_000)


def sound_packets(path: Path) -> list[tuple[int | None, bytes]]:
    with av.open(str(path)) as file:
        return [(packet.pts, bytes(packet)) for packet in file.demux(audio=0) if packet.size]


@pytest.mark.slow
def test_clicks_of_a_page_are_heard_in_place_in_one_three_and_seven_chunks(project, tmp_path):
    source = project(PAGE)
    write_flac(source / "clicks.flac", clicks(SAMPLE_RATE, *PLACES))
    found = []
    for chunks in (1, 3, 7):
        output = tmp_path / f"{chunks}.mp4"
        video = hfdask.render(source, output, fps=FPS, chunk_size=FPS // chunks)
        assert len(video.chunks) == chunks
        assert video.sound is not None
        assert (video.sound.tracks, video.sound.lowered) == (("late",), 0)
        found.append(sound_packets(output))
    assert found[0] == found[1] == found[2]
    sound = played(tmp_path / "1.mp4")
    assert sound.shape == (2, SAMPLE_RATE)
    for place in PLACES:
        due = place + SAMPLE_RATE // 4
        heard = sound[:, due - 144 : due + 144]
        assert np.abs(np.abs(heard).argmax(axis=1) - 144).max() <= SAMPLE_RATE // 1000
        assert np.abs(heard).max() == pytest.approx(0.4, rel=0.2)
    assert np.abs(sound[:, : SAMPLE_RATE // 5]).max() < 0.01


def test_a_page_without_sound_makes_a_video_without_sound(project, tmp_path):
    video = hfdask.render(
        project(PAGE.replace("<audio", "<b").replace("</audio>", "</b>")), tmp_path / "out.mp4", fps=FPS
    )
    assert video.sound is None
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert [stream.type for stream in file.streams] == ["video"]
