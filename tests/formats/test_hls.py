"""HLS: segments at the borders of chunks, a playlist that comes last, sound in its place, and a browser that plays it."""

from __future__ import annotations

import functools
import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np
import pytest
from format_samples import VARIANTS, chunks_of, joined
from media_samples import NTSC
from mix_samples import clicks, mixed
from other_ffmpeg import shown
from playwright.sync_api import sync_playwright
from samples import BOX

import hfdask
from hfdask.browser.discovery import find_browser
from hfdask.core.sound import SAMPLE_RATE, sample_count
from hfdask.errors import CertificateError, HfdaskError, OutputInvalidError, StoreError
from hfdask.formats.format import Planned
from hfdask.formats.hls import HLS
from hfdask.media.picture import Pixels
from hfdask.media.sound_file import AAC, SoundFile
from hfdask.sound.encode import encode_sound
from hfdask.store import Store

pytestmark = pytest.mark.usefixtures("fake_browser")

VARIANT = next(each for each in VARIANTS if each.format is HLS)
LENGTHS = (7, 13, 16, 4)
PRIMING = Fraction(1024, SAMPLE_RATE)
LONG = BOX.replace('data-duration="1"', 'data-duration="20"')
PLAYER = Path(__file__).parent / "vendor" / "hls.min.js"


def grey(number: int) -> Pixels:
    """A picture from which its number can be read."""
    return np.full((96, 96, 3), 16 + 5 * number, np.uint8)


def heard(folder: Path, samples: int, *places: int) -> SoundFile:
    planned = mixed(folder / "mix.flac", clicks(samples, *places) * 0.5)
    return encode_sound(folder / "mix.flac", planned, folder, AAC).file


def made(folder: Path, fps: Fraction = NTSC, sound: SoundFile | None = None) -> Path:
    chunks = chunks_of(VARIANT, folder, LENGTHS, fps, grey)
    return joined(VARIANT, chunks, folder / "a talk.m3u8", fps, (96, 96), sound)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_each_chunk_is_a_segment_of_its_length(tmp_path):
    output = made(tmp_path)
    [folder] = tmp_path.glob("a_talk-*/")
    assert re.fullmatch(r"a_talk-[0-9a-f]{8}\.[0-9a-f]{32}", folder.name)
    playlist = (folder / "video.m3u8").read_text()
    seconds = [Fraction(each) for each in re.findall(r"#EXTINF:([0-9.]+),", playlist)]
    assert [round(each * NTSC, 3) for each in seconds] == list(LENGTHS)
    assert {"#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-ENDLIST"} <= set(playlist.splitlines())
    main = output.read_text()
    assert f"\n{folder.name}/video.m3u8\n" in main
    assert re.search(r'RESOLUTION=96x96,FRAME-RATE=29.970,CODECS="avc1\.[0-9a-f]{6}"', main)


def test_pictures_and_sound_are_at_the_same_times_in_their_own_segments(tmp_path):
    fps = Fraction(25)
    samples = sample_count(40, fps)
    output = made(tmp_path, fps, heard(tmp_path, samples, 24_000))
    [folder] = tmp_path.glob("a_talk-*/")
    assert 'AUDIO="sound"' in output.read_text()
    with av.open(str(folder / "video.m3u8")) as container:
        clock = container.streams.video[0].time_base or 0
        times = [(frame.pts or 0) * clock for frame in container.decode(video=0)]
    assert times == [number / fps + PRIMING for number in range(40)]
    with av.open(str(folder / "sound.m3u8")) as container:
        blocks = [np.asarray(frame.to_ndarray()) for frame in container.decode(audio=0)]
    played = np.abs(np.concatenate(blocks, axis=1)[0])
    # The encoder's priming is heard, and the pictures are as much later.
    assert abs(int(played.argmax()) - (24_000 + 1024)) <= 48
    assert played.size >= samples + 1024


def test_the_same_chunks_give_the_same_files(tmp_path):
    seen = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        sound = heard(folder, sample_count(40, NTSC), 5_000)
        output = made(folder, NTSC, sound)
        [beside] = folder.glob("a_talk-*/")
        seen.append((output.read_bytes(), files_of(beside)))
    assert seen[0] == seen[1]


def test_an_output_that_differs_from_its_plan_is_refused(tmp_path):
    chunks = chunks_of(VARIANT, tmp_path, LENGTHS, NTSC, grey)
    settings, output = VARIANT.settings(NTSC), tmp_path / "a.m3u8"
    planned: dict[str, Any] = {"frames": 40, "fps": NTSC, "width": 96, "height": 96, "settings": settings}
    planned["starts"] = (0, 7, 20, 36)
    with HLS.named("a.m3u8").join(output, NTSC, settings, {}) as join:
        for chunk in chunks:
            join.append(chunk)
        report = join.finish()
        HLS.verify(output, Planned(**planned), report, None)
        for changes in ({"frames": 39}, {"fps": Fraction(30)}, {"starts": (0, 7, 20, 35)}):
            with pytest.raises(OutputInvalidError):
                HLS.verify(output, Planned(**planned | changes), report, None)
        segment = next(file for name, file in report.beside.items() if name.endswith("00002.m4s"))
        content = segment.read_bytes()
        segment.write_bytes(content[:-20] + b"\0" * 20)
        with pytest.raises(OutputInvalidError, match="packets differ"):
            HLS.verify(output, Planned(**planned), report, None)
        beside = {name: file for name, file in report.beside.items() if file != segment}
        fewer = msgspec.structs.replace(report, beside=beside)
        with pytest.raises(OutputInvalidError, match="names others"):
            HLS.verify(output, Planned(**planned), fewer, None)


def test_another_ffmpeg_plays_the_playlist_without_a_message_whatever_its_name(tmp_path):
    assert shown(made(tmp_path)) == 40


def test_folders_of_names_that_are_alike_differ_and_plain_names_stay(tmp_path):
    folders = {HLS.named(f"{stem}.m3u8").stem for stem in ("a talk", "a+talk", "a_talk", "ä talk", "été", "出力")}
    assert len(folders) == 6
    assert all(re.fullmatch(r"[\w.~-]+", folder, re.ASCII) for folder in folders)
    assert HLS.named("v1.0-final_2~a.m3u8").stem == "v1.0-final_2~a"


def test_chunks_are_six_seconds_long_unless_the_options_say_otherwise(project, tmp_path):
    source = project(LONG)
    for size, lengths in {None: [180, 180, 180, 60], 250: [250, 250, 100]}.items():
        plan = hfdask.plan(source, tmp_path / f"{size}", format="hls", chunk_size=size)
        assert [chunk.frames for chunk in plan.manifest.chunks] == lengths


@pytest.mark.parametrize("place", ["disk", "memory"])
def test_the_playlist_is_published_last_and_an_earlier_ones_segments_are_removed(place, project, tmp_path, monkeypatch):
    folder = str(tmp_path / "out") if place == "disk" else "memory://hls-outputs"
    written: list[str] = []
    put = Store.put

    def noted(self: Store, name: str, source: Any) -> None:
        written.append(self.url_of(name))
        put(self, name, source)

    monkeypatch.setattr(Store, "put", noted)
    seen = []
    for colour in ("#c33", "#3c3"):
        written.clear()
        hfdask.render(project(BOX.replace("#c33", colour)), f"{folder}/a.m3u8", chunk_size=10)
        store = Store(folder)
        names = [name for name in store.names() if ".claim" not in name]
        [beside] = {name.partition("/")[0] for name in names if name != "a.m3u8"}
        assert sorted(name.partition("/")[2] for name in names if name != "a.m3u8") == [
            "video.m3u8",
            "video.mp4",
            *(f"video_{number:05d}.m4s" for number in range(3)),
        ]
        assert f"{beside}/video.m3u8" in store.read("a.m3u8").decode()
        if place == "memory":
            assert [url for url in written if "hls-outputs/a." in url][-1].endswith("/a.m3u8")
        seen.append(beside)
    assert seen[0] != seen[1]


def test_nothing_is_left_if_the_playlist_cannot_be_published(project, monkeypatch):
    put = Store.put

    def refused(self: Store, name: str, source: Any) -> None:
        if name == "a.m3u8":
            raise StoreError("the store refuses it")
        put(self, name, source)

    monkeypatch.setattr(Store, "put", refused)
    with pytest.raises(HfdaskError, match="the store refuses it"):
        hfdask.render(project(BOX), "memory://refused-hls/a.m3u8", chunk_size=10)
    assert not [name for name in Store("memory://refused-hls").names() if name.startswith("a.")]


def test_a_changed_segment_is_not_the_certified_one(project, tmp_path):
    hfdask.render(project(BOX), tmp_path / "a.m3u8", chunk_size=10, certificate=True, plan_dir=tmp_path / "plan")
    assert hfdask.verify(tmp_path / "a.m3u8", sample=2).frames == 30
    segment = next(tmp_path.glob("a.*/video_00001.m4s"))
    segment.write_bytes(segment.read_bytes()[:-1] + b"x")
    with pytest.raises(CertificateError, match=r"video_00001\.m4s is not the file"):
        hfdask.verify(tmp_path / "a.m3u8", sample=2)


def test_equal_rows_of_a_batch_have_the_same_segments(project, tmp_path):
    rows = [{"id": name} for name in ("one", "two")]
    hfdask.render_batch(project(BOX), rows, str(tmp_path / "out" / "{id}" / "v.m3u8"), ignore=["id"]).wait()
    for name in ("one", "two"):
        main = tmp_path / "out" / name / "v.m3u8"
        playlist = main.parent / main.read_text().splitlines()[-1]
        segments = re.findall(r"^video_.*$", playlist.read_text(), re.MULTILINE)
        assert segments
        assert all((playlist.parent / segment).is_file() for segment in segments)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


PAGE = """<!doctype html><video muted></video><canvas width="96" height="96"></canvas><script src="hls.min.js"></script><script>
const video = document.querySelector("video"), pen = document.querySelector("canvas").getContext("2d", {willReadFrequently: true});
const hls = new Hls(); const errors = []; hls.on(Hls.Events.ERROR, (_, data) => errors.push(data.details));
hls.loadSource("a%20talk.m3u8"); hls.attachMedia(video);
const grey = () => (pen.drawImage(video, 0, 0), pen.getImageData(48, 48, 1, 1).data[1]);
async function shown(seconds) {
  await new Promise((done) => { video.onseeked = done; video.currentTime = seconds });
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return grey();
}
async function played() {
  video.playbackRate = 2; await video.play(); await new Promise((done) => { video.onended = done });
  return [grey(), video.duration, errors];
}</script>"""


@pytest.mark.browser
def test_a_browser_plays_it_to_the_last_frame_with_the_right_picture_at_every_seam(tmp_path):
    fps = Fraction(25)
    made(tmp_path, fps, heard(tmp_path, sample_count(40, fps), 24_000))
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / "hls.min.js").write_bytes(PLAYER.read_bytes())
    with served(tmp_path) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_browser().path,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--disable-audio-output"],
        )
        page = browser.new_page()
        page.goto(url)
        page.wait_for_function("video.readyState >= 2", timeout=20_000)
        frames = [0, 6, 7, 19, 20, 35, 36, 39]
        seen = [page.evaluate("shown", float((frame + Fraction(1, 2)) / fps)) for frame in frames]
        page.evaluate("shown(0)")
        last, seconds, errors = page.evaluate("played()")
        browser.close()
    numbers = [round((level - 16) / 5) for level in [*seen, last]]
    assert numbers == [*frames, 39]
    assert abs(seconds - 1.6) < 0.05
    assert errors == []
