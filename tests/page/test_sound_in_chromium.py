"""Chromium plays the sound of finished videos at its time and for its length."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from media_samples import make_chunks
from mix_samples import clicks, mixed
from page_samples import open_html

from hfdask.core.sound import SAMPLE_RATE, sample_count
from hfdask.formats.mp4 import MP4
from hfdask.formats.table import encoder_settings
from hfdask.sound.encode import encode_sound

pytestmark = pytest.mark.browser

PAGE = '<div data-composition-id="c" data-width="64" data-height="64" data-duration="1" data-no-timeline></div>'
DECODED = """(async () => {
    const data = await (await fetch('out.mp4')).arrayBuffer();
    const sound = await new OfflineAudioContext(2, 1, %d).decodeAudioData(data);
    const highest = (samples, from, to) => {
        let at = from;
        for (let i = from; i < to; i++) if (Math.abs(samples[i]) > Math.abs(samples[at])) at = i;
        return at;
    };
    const found = [0, 1].flatMap(channel => %s.map(place =>
        highest(sound.getChannelData(channel), Math.max(0, place - 144), place + 144)));
    return [sound.length, sound.numberOfChannels, ...found];
})()"""


def video_with(folder: Path, fps: Fraction, frames: int, places: tuple[int, ...]) -> bytes:
    sound = clicks(sample_count(frames, fps), *places) * 0.5
    encoded = encode_sound(folder / "mix.flac", mixed(folder / "mix.flac", sound), folder)
    settings = encoder_settings("draft", None, None, fps)
    with MP4.join(folder / "out.mp4", fps, settings, {}, lambda: encoded.file) as join:
        for chunk in make_chunks(folder, (frames // 2, frames - frames // 2), fps, (64, 64)):
            join.append(chunk)
        join.finish()
    return (folder / "out.mp4").read_bytes()


@pytest.mark.sample("30000/1001")
@pytest.mark.parametrize("rate", ["30000/1001", "24"])
def test_chromium_decodes_every_sample_and_finds_the_clicks_in_place(rate: str, tmp_path: Path) -> None:
    fps, frames, places = Fraction(rate), 61, (0, 1_001, 48_000, 90_000)
    video = video_with(tmp_path, fps, frames, places)
    with open_html(tmp_path / "site", PAGE, {"out.mp4": video}) as page:
        length, channels, *found = page.value(DECODED % (SAMPLE_RATE, list(places)))
        assert (length, channels) == (sample_count(frames, fps), 2)
        for place, at in zip(places * 2, found, strict=True):
            assert abs(at - place) <= SAMPLE_RATE // 1000
