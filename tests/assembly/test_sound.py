"""Sound in assembled videos: its place and length, pictures as without it, the same bytes each time, and its errors."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from math import ceil
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest
from aftermath import until
from click.testing import CliRunner
from cluster_processes import in_processes, in_this_process
from distributed import Client
from fake_browser import FakeBrowsers
from mix_samples import Samples, clicks, noise, played, silence, tone
from other_ffmpeg import heard
from samples import BOX
from sound_plans import mix_of, renders_sound, with_sound

import hfdask
import hfdask.sound.encode as encoder
import hfdask.store as store_module
from hfdask import errors
from hfdask.cli import main
from hfdask.core.model import pretty_json
from hfdask.core.results import ChunkResult
from hfdask.core.sound import SAMPLE_RATE, sample_count
from hfdask.manifest.location import MANIFEST
from hfdask.store.content import object_name

pytestmark = pytest.mark.usefixtures("fake_browser")

SAMPLES = SAMPLE_RATE  # BOX lasts one second
PLACES = (0, 12_345, 40_000)
SOUND = clicks(SAMPLES, *PLACES) * 0.5
MILLISECOND = SAMPLE_RATE // 1000

Rendered = tuple[hfdask.Plan, list[ChunkResult]]


def rendered_in(folder: Path, chunk_size: int, sound: Samples | None, fps: str = "30") -> Rendered:
    folder.mkdir()
    (folder / "index.html").write_text(f"<body>{BOX}</body>")
    plan = hfdask.plan(folder / "index.html", folder / "plan", chunk_size=chunk_size, fps=fps)
    if sound is not None:
        plan = with_sound(plan, sound, folder)
    return plan, [hfdask.render_chunk(plan.url, i, folder / f"{i}.mp4") for i in range(len(plan.manifest.chunks))]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Rendered:
    return rendered_in(tmp_path_factory.mktemp("sound") / "a", 10, SOUND)


@pytest.fixture
def fresh(tmp_path) -> Rendered:
    """A plan whose mix may be spoilt."""
    return rendered_in(tmp_path / "fresh", 10, SOUND)


@pytest.fixture
def out(tmp_path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "out.mp4"


def packets_of(path: Path, kind: str) -> list[tuple[int | None, int | None, int | None, bytes]]:
    with av.open(str(path)) as file:
        stream = next(each for each in file.streams if each.type == kind)
        return [(p.pts, p.dts, p.duration, bytes(p)) for p in file.demux(stream) if p.size]


def box(data: bytes, *path: bytes) -> bytes:
    """Return the content of a box of an MP4 file, by the names of the boxes around it; the first of each name."""
    for name in path:
        begin = 0
        while data[begin + 4 : begin + 8] != name:
            begin += int.from_bytes(data[begin : begin + 4])
        data = data[begin + 8 : begin + int.from_bytes(data[begin : begin + 4])]
    return data


def assert_clicks(sound: Samples, *places: int) -> None:
    for place in places:
        begin = max(0, place - 3 * MILLISECOND)
        for channel in sound:
            found = begin + int(np.abs(channel[begin : place + 3 * MILLISECOND]).argmax())
            assert abs(found - place) <= MILLISECOND


@pytest.mark.sample("24", "30000/1001")
@pytest.mark.parametrize("fps", ["24", "25", "30", "60", "30000/1001", "7/3"])
def test_the_sound_is_as_long_as_the_frames_and_its_clicks_are_in_place(fps, tmp_path, out):
    frames = ceil(Fraction(fps))  # of a second
    samples = sample_count(frames, Fraction(fps))
    plan, chunks = rendered_in(tmp_path / "a", 9, clicks(samples, *PLACES[:2]) * 0.5, fps=fps)
    assert plan.manifest.frames == frames
    hfdask.assemble(plan.url, chunks, out)
    with av.open(str(out)) as file:
        [sound], [video] = file.streams.audio, file.streams.video
        assert (sound.start_time, sound.duration, sound.time_base) == (0, samples, Fraction(1, SAMPLE_RATE))
        assert (file.start_time, video.start_time) == (0, 0)
        assert Fraction(video.duration or 0) * (video.time_base or 0) == frames / Fraction(fps)
    assert_clicks(played(out), *PLACES[:2])
    other = heard(out)
    assert other.shape[1] == samples
    assert_clicks(other, *PLACES[:2])


def test_the_pictures_and_their_tables_are_as_without_sound(rendered, tmp_path, out):
    plan, chunks = rendered
    silent_plan, silent_chunks = rendered_in(tmp_path / "b", 10, None)
    hfdask.assemble(plan.url, chunks, out)
    hfdask.assemble(silent_plan.url, silent_chunks, tmp_path / "silent.mp4")
    assert packets_of(out, "video") == packets_of(tmp_path / "silent.mp4", "video")
    with av.open(str(tmp_path / "silent.mp4")) as file:
        assert len(file.streams) == 1
    one, other = out.read_bytes(), (tmp_path / "silent.mp4").read_bytes()
    for table in (b"stsd", b"stts", b"stss", b"stsz"):
        path = (b"moov", b"trak", b"mdia", b"minf", b"stbl", table)
        assert box(one, *path) == box(other, *path)
    assert box(one, b"moov", b"trak", b"mdia", b"mdhd") == box(other, b"moov", b"trak", b"mdia", b"mdhd")


def test_no_division_into_chunks_changes_a_packet_of_the_sound(tmp_path):
    found = []
    for size in (30, 10, 5):
        plan, chunks = rendered_in(tmp_path / str(size), size, SOUND)
        hfdask.assemble(plan.url, chunks, tmp_path / f"{size}.mp4")
        found.append(packets_of(tmp_path / f"{size}.mp4", "audio"))
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 48


def test_chunks_in_any_order_and_a_second_time_give_the_same_file(rendered, tmp_path):
    plan, chunks = rendered
    hfdask.assemble(plan.url, chunks, tmp_path / "a.mp4")
    hfdask.assemble(plan.url, chunks, tmp_path / "b.mp4")
    with hfdask.Assembly(plan.url, tmp_path / "c.mp4") as assembly:
        for chunk in (chunks[2], chunks[0], chunks[1]):
            assembly.add(chunk)
        assembly.finish()
    assert len({(tmp_path / name).read_bytes() for name in ("a.mp4", "b.mp4", "c.mp4")}) == 1


@pytest.fixture(scope="module")
def two() -> Iterator[Client]:
    """Yield two workers in separate processes."""
    with in_processes() as client:
        client.register_plugin(FakeBrowsers())
        yield client


def test_the_driver_and_a_worker_write_the_same_file(project, tmp_path):
    with renders_sound(SOUND, tmp_path), in_this_process() as client:
        hfdask.render(project(), tmp_path / "a.mp4", client=client, chunk_size=10)
        hfdask.render(project(), tmp_path / "b.mp4", client=client, chunk_size=10, assemble_on="worker")
        again = hfdask.render(project(), tmp_path / "c.mp4", client=client, chunk_size=10)
    assert again.sound is not None
    assert len({(tmp_path / f"{name}.mp4").read_bytes() for name in "abc"}) == 1
    assert_clicks(played(tmp_path / "a.mp4"), *PLACES)


@pytest.mark.slow
def test_processes_write_the_same_file(project, tmp_path, two):
    with renders_sound(SOUND, tmp_path):
        hfdask.render(project(), tmp_path / "a.mp4", client=two, chunk_size=10)
        hfdask.render(project(), tmp_path / "b.mp4", client=two, chunk_size=10, assemble_on="worker")
        hfdask.render(project(), tmp_path / "c.mp4", chunk_size=10)
    assert len({(tmp_path / f"{name}.mp4").read_bytes() for name in "abc"}) == 1


def test_the_sound_is_encoded_before_the_first_chunk_is_there(rendered, out, monkeypatch):
    encoded = threading.Event()
    original = encoder.encode_sound

    def encode_sound(*arguments, **options):
        sound = original(*arguments, **options)
        encoded.set()
        return sound

    monkeypatch.setattr(encoder, "encode_sound", encode_sound)
    plan, chunks = rendered
    with hfdask.Assembly(plan.url, out) as assembly:
        assert encoded.wait(30)
        assembly.add(*chunks)
        assembly.finish()
    assert_clicks(played(out), *PLACES)


# Reports


def test_a_video_tells_of_its_sound(tmp_path, out):
    plan, chunks = rendered_in(tmp_path / "a", 30, tone(SAMPLES, 997, 0.1))  # -20 LUFS by definition
    video = hfdask.assemble(plan.url, chunks, out)
    assert video.sound is not None
    assert -20.5 < video.sound.true_peak < -18  # it begins and ends at once, so the codec overshoots
    assert video.sound.loudness == pytest.approx(-20, abs=0.1)
    assert (video.sound.tracks, video.sound.clipped, video.sound.lowered) == (("song",), 0, 0)
    assert str(video.sound) == f"1 track, {video.sound.loudness:.1f} LUFS, true peak {video.sound.true_peak:.1f} dBTP"
    assert f"{video.sound}</td>" in video._repr_html_()
    assert not any("sound" in warning for warning in video.warnings)


def test_a_sound_that_was_lowered_is_a_warning(tmp_path, out):
    plan, chunks = rendered_in(tmp_path / "a", 10, tone(SAMPLES, 997, 1.0))
    command = ["assemble", plan.url, *(chunk.url for chunk in chunks), "-o", str(out)]
    shown = CliRunner().invoke(main, command)
    told = json.loads(CliRunner().invoke(main, [*command, "--json"]).stdout)["sound"]
    assert 1 < told["lowered"] < 2.5
    assert told["true_peak"] <= -1
    assert told["loudness"] == pytest.approx(-told["lowered"], abs=0.1)
    assert f"lowered by {told['lowered']:.2f} dB" in shown.stdout
    assert f"warning: the sound was lowered by {told['lowered']:.2f} dB" in shown.stderr


def test_silence_is_a_sound_too(tmp_path, out):
    plan, chunks = rendered_in(tmp_path / "a", 30, silence(SAMPLES))
    video = hfdask.assemble(plan.url, chunks, out)
    assert video.sound is not None
    assert (video.sound.true_peak, video.sound.loudness) == (-200.0, None)
    assert not played(out).any()
    assert played(out).shape == (2, SAMPLES)


def test_a_certificate_names_the_sound(rendered, out):
    plan, chunks = rendered
    video = hfdask.assemble(plan.url, chunks, out, certificate=True)
    paper = Path(str(video.certificate))
    document = json.loads(paper.read_bytes())
    assert document["sound"] == mix_of(plan)[0].key
    assert hfdask.verify(out, sample=1).frames == 30
    paper.write_text(json.dumps({**document, "sound": "0" * 64}))
    with pytest.raises(errors.CertificateError, match="another sound"):
        hfdask.verify(out, sample=1)


def test_the_mix_may_be_in_a_store_elsewhere(tmp_path, out):
    (tmp_path / "index.html").write_text(f"<body>{BOX}</body>")
    plan = with_sound(hfdask.plan(tmp_path, f"memory://{tmp_path.name}/plan"), SOUND, tmp_path)
    chunks = [hfdask.render_chunk(plan.url, i, tmp_path / f"{i}.mp4") for i in range(len(plan.manifest.chunks))]
    hfdask.assemble(plan.url, chunks, out)
    assert_clicks(played(out), *PLACES)


# Errors


def spoilt(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (Path.unlink, errors.MissingArtifactError),
        (spoilt, errors.ArtifactDigestError),
        (lambda path: path.write_bytes(b""), errors.ArtifactDigestError),
    ],
)
def test_a_mix_that_is_missing_or_damaged_is_a_typed_error_and_leaves_nothing(spoil, error, fresh, out):
    plan, chunks = fresh
    spoil(mix_of(plan)[1])
    with pytest.raises(error):
        hfdask.assemble(plan.url, chunks, out)
    assert not list(out.parent.iterdir())


def test_a_missing_mix_is_an_error_before_the_first_chunk_is_there(fresh, out):
    plan, _ = fresh
    mix_of(plan)[1].unlink()
    with hfdask.Assembly(plan.url, out) as assembly:
        assert assembly._sound is not None
        with pytest.raises(errors.MissingArtifactError):
            assembly._sound.result()
        with pytest.raises(errors.MissingArtifactError):
            assembly.add()
    assert not list(out.parent.iterdir())


def test_a_mix_of_another_length_is_a_typed_error(tmp_path, out):
    """The plan says so, and the file is as the plan says, but the plan is wrong."""
    plan, _ = rendered_in(tmp_path / "a", 30, SOUND)
    other = with_sound(plan, SOUND[:, :-1], tmp_path)
    wrong = msgspec.structs.replace(mix_of(other)[0], samples=SAMPLES)
    manifest = msgspec.structs.replace(other.manifest, sound=wrong).sealed()
    plan.location.store().put(MANIFEST, pretty_json(manifest))
    chunk = hfdask.render_chunk(plan.url, 0, tmp_path / "0.mp4")
    with pytest.raises(errors.PlanCorruptError, match="only 47999 of its 48000 samples"):
        hfdask.assemble(plan.url, [chunk], out)
    assert not list(out.parent.iterdir())


def hanging(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let encoding take until it is stopped; the answer says if it was."""
    ended: list[str] = []

    def encode_sound(*_: object, going: Callable[[], None]) -> None:
        try:
            while True:
                going()
                time.sleep(0.01)
        finally:
            ended.append("stopped")

    monkeypatch.setattr(encoder, "encode_sound", encode_sound)
    return ended


class Cancelling(hfdask.Observer):
    """Cancels after a while."""

    def __init__(self) -> None:
        self.end = time.monotonic() + 0.5

    def cancelled(self) -> bool:
        return time.monotonic() > self.end


def test_an_assembly_that_waits_for_its_sound_can_be_cancelled(rendered, out, monkeypatch):
    ended = hanging(monkeypatch)
    plan, chunks = rendered
    with pytest.raises(errors.RenderCancelledError):
        hfdask.assemble(plan.url, chunks, out, observer=Cancelling())
    assert ended == ["stopped"]
    assert not list(out.parent.iterdir())


def test_a_cancelled_render_leaves_no_encoder_behind(project, tmp_path, out, monkeypatch):
    ended = hanging(monkeypatch)
    with renders_sound(noise(SAMPLES, 0.1), tmp_path), in_this_process() as client:
        handle = hfdask.submit(project(), out, client=client, chunk_size=10)
        deadline = time.monotonic() + 60
        while handle.progress.chunks_done < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        handle.cancel()
        with pytest.raises(errors.RenderCancelledError):
            handle.result(timeout=20)
    assert ended == ["stopped"]
    assert [name for name in os.listdir(out.parent) if name != ".hfdask"] == []


def test_a_render_whose_mix_is_lost_ends_with_its_error(project, tmp_path, out, monkeypatch):
    def materialised(store, objects, wanted):
        spoilt(Path(store.path) / object_name(next(iter(wanted)).sha256))
        return store_module.materialised(store, objects, wanted)

    monkeypatch.setattr("hfdask.assembly.sound.materialised", materialised)
    with renders_sound(SOUND, tmp_path), in_this_process() as client:
        with pytest.raises(errors.ArtifactDigestError):
            hfdask.render(project(), out, client=client, chunk_size=10)
        # A chunk that was being uploaded removes its files itself.
        assert until(lambda: not list(out.parent.iterdir()), 10)
