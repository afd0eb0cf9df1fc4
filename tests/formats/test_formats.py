"""The same for every format: what chunks show, the joined output shows, at the right times, with the right colours."""

from __future__ import annotations

import zipfile
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest
from format_samples import (
    RATES,
    VARIANTS,
    WITH_SOUND,
    ArrayPicture,
    Variant,
    chunks_of,
    encoded,
    frames_of,
    joined,
    planes,
    rgba,
    right_times,
    sample,
)
from media_samples import NTSC
from mix_samples import clicks, mixed
from numpy.typing import NDArray
from other_ffmpeg import heard, shown

from hfdask.core.sound import SAMPLE_RATE, sample_count
from hfdask.errors import ChunkMismatchError, EncodeError
from hfdask.formats.encode import ChunkEncoder
from hfdask.formats.hls import HLS
from hfdask.formats.join import ChunkSource
from hfdask.media.picture import Pixels, decode_png
from hfdask.sound.encode import encode_sound
from hfdask.sound.reader import read_sound

LENGTHS = (7, 13, 1, 16)
"""Frames of chunks of different lengths; also of a single one."""

variants = pytest.mark.parametrize("variant", VARIANTS, ids=str)
with_alpha = pytest.mark.parametrize("variant", [each for each in VARIANTS if each.alpha], ids=str)


def moving(variant: Variant, number: int) -> NDArray[np.uint8]:
    """Every second picture is the one before, so that repetitions are written, too."""
    return sample(number // 2, alpha=variant.alpha)


def joins(variant: Variant, folder: Path, lengths: tuple[int, ...], fps: Fraction) -> tuple[Path, list[ChunkSource]]:
    folder.mkdir()
    chunks = chunks_of(variant, folder, lengths, fps, lambda number: moving(variant, number))
    return joined(variant, chunks, variant.output(folder), fps), chunks


@variants
def test_joined_chunks_show_what_each_of_them_shows(variant: Variant, tmp_path: Path) -> None:
    output, chunks = joins(variant, tmp_path / "a", LENGTHS, NTSC)
    alone = [planes(frame) for chunk in chunks for _, frame in frames_of(chunk.path, variant.codec)]
    together = list(frames_of(output, variant.codec))
    seen = [planes(frame) for _, frame in together]
    if output.suffix == ".zip":  # read as RGBA, whatever is in it
        assert [rgba(frame).tobytes() for _, frame in together] == [
            rgba(frame).tobytes() for chunk in chunks for _, frame in frames_of(chunk.path, variant.codec)
        ]
    else:
        assert seen == alone
        assert [time for time, _ in together] == right_times(sum(LENGTHS), NTSC, variant.codec)
    assert len(seen) == sum(LENGTHS)
    again, _ = joins(variant, tmp_path / "b", LENGTHS, NTSC)
    assert again.read_bytes() == output.read_bytes()


@pytest.mark.slow
@variants
@pytest.mark.parametrize("fps", RATES, ids=str)
@pytest.mark.parametrize("size", [7, 13, 16, 40])
def test_chunks_of_any_length_at_any_rate_show_every_frame_at_its_time(
    variant: Variant, fps: Fraction, size: int, tmp_path: Path
) -> None:
    lengths = tuple(min(size, 40 - start) for start in range(0, 40, size))
    output, chunks = joins(variant, tmp_path / "a", lengths, fps)
    together = list(frames_of(output, variant.codec))
    alone = [rgba(frame) for chunk in chunks for _, frame in frames_of(chunk.path, variant.codec)]
    assert len(together) == len(alone) == 40
    assert all(np.array_equal(rgba(frame), one) for (_, frame), one in zip(together, alone, strict=True))
    if output.suffix != ".zip":
        assert [time for time, _ in together] == right_times(40, fps, variant.codec)
        # In a container with a fixed clock a frame is off by less than half a tick.
        assert all(abs(time - number / fps) <= Fraction(1, 2000) for number, (time, _) in enumerate(together))
    again, _ = joins(variant, tmp_path / "b", lengths, fps)
    assert again.read_bytes() == output.read_bytes()


@variants
def test_another_ffmpeg_decodes_every_frame_without_a_message(variant: Variant, tmp_path: Path) -> None:
    output, _ = joins(variant, tmp_path / "a", (5, 4), NTSC)
    if output.suffix == ".zip":
        with zipfile.ZipFile(output) as archive:
            archive.extractall(tmp_path)
        assert shown(tmp_path / "frame_%06d.png", "-f", "image2") == 9
    else:
        assert shown(output) == 9
    if variant.codec.decoder:
        assert shown(output, "-c:v", variant.codec.decoder) == 9


PREDICTED = [each for each in VARIANTS if not each.codec.intra and each.format is not HLS]


def cut(variant: Variant, number: int) -> Pixels:
    """Four scenes of coarse noise that moves, with hard cuts between them; with alpha, every other scene is half transparent."""
    coarse = np.random.default_rng(number // 6).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    pixels = np.roll(coarse.repeat(16, 0).repeat(16, 1), 2 * number, 1)
    opacity = np.full((96, 96, 1), 128 if number // 6 % 2 else 255, np.uint8)
    return np.ascontiguousarray(np.concatenate([pixels, opacity], axis=2) if variant.alpha else pixels)


@pytest.mark.parametrize("variant", PREDICTED, ids=str)
def test_hard_cuts_make_no_second_key_frame_in_a_chunk(variant: Variant, tmp_path: Path) -> None:
    for quality in ("draft", "looks"):
        chunk = ChunkSource(tmp_path / quality, 0, 24)
        encoded(variant, chunk.path, [cut(variant, number) for number in range(24)], NTSC, quality)
        settings = variant.settings(NTSC, quality)
        with variant.format.join(variant.output(tmp_path), NTSC, settings, {}) as join:
            join.append(chunk)
            assert join.finish().keyframes == (0,)


@pytest.mark.parametrize("variant", PREDICTED, ids=str)
def test_a_second_key_frame_is_found_by_the_encoder_and_by_its_decoder(
    variant: Variant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = variant.settings(NTSC)
    often = msgspec.structs.replace(settings, options={**settings.options, "g": "8", "keyint_min": "8"})
    chunk = ChunkSource(tmp_path / "chunk", 0, 24)

    def encode() -> None:
        with ChunkEncoder(chunk.path, often, NTSC, 96, 96, 24) as encoder:
            for number in range(24):
                encoder.encode(ArrayPicture(cut(variant, number)))

    with pytest.raises(EncodeError, match="has a second key frame, at its frame 8"):
        encode()
    assert not chunk.path.exists()
    monkeypatch.setattr(ChunkEncoder, "_require_single_key", lambda *_: None)
    with pytest.raises(EncodeError, match=r"has keyframes at \[0, 8, 16\] instead of at its start alone"):
        encode()
    assert not chunk.path.exists()


COLOURS = [
    (0, 0, 0),
    (255, 255, 255),
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (128, 128, 128),
    (20, 200, 150),
    (250, 120, 30),
]


def fields(*, alpha: bool) -> NDArray[np.uint8]:
    """Fields of 32x64 pixels, each in one of the colours."""
    rows = 2 * [np.concatenate([np.full((32, 32, 3), colour, np.uint8) for colour in COLOURS], axis=1)]
    pixels = np.concatenate(rows, axis=0)
    if not alpha:
        return pixels
    opacity = np.full((*pixels.shape[:2], 1), 128, np.uint8)
    opacity[32:] = 255
    return np.ascontiguousarray(np.concatenate([pixels, opacity], axis=2))


@variants
def test_decoded_colours_and_alpha_are_the_captured_ones(variant: Variant, tmp_path: Path) -> None:
    path = tmp_path / "a.chunk"
    encoded(variant, path, [fields(alpha=variant.alpha)] * 2, Fraction(30), quality="high")
    output = joined(variant, [ChunkSource(path, 0, 2)], variant.output(tmp_path), Fraction(30), (256, 64))
    for _, frame in frames_of(output, variant.codec):
        seen = rgba(frame)
        for number, colour in enumerate(COLOURS):
            field = seen[8:56, 32 * number + 8 : 32 * number + 24].astype(int)
            assert np.abs(field[..., :3].mean((0, 1)) - colour).max() <= 2, (colour, field[..., :3].mean((0, 1)))
        if variant.alpha:
            assert np.abs(seen[4:28, :, 3].astype(int) - 128).max() <= 2
            assert np.abs(seen[36:60, :, 3].astype(int) - 255).max() <= 1


@with_alpha
def test_the_edge_of_a_shape_has_no_dark_fringe(variant: Variant, tmp_path: Path) -> None:
    """An orange disc, as the browser gives it: its invisible surroundings are black."""
    side = 96
    y, x = np.mgrid[:side, :side] + 0.5
    coverage = np.clip(30.5 - np.hypot(x - side / 2, y - side / 2), 0, 1)
    pixels = np.zeros((side, side, 4), np.uint8)
    pixels[..., 3] = np.round(255 * coverage)
    pixels[pixels[..., 3] > 0, :3] = (250, 120, 30)
    path = tmp_path / "a.chunk"
    encoded(variant, path, [pixels] * 2, Fraction(30), quality="high")
    for _, frame in frames_of(path, variant.codec):
        seen = rgba(frame).astype(float)
        edge = pixels[..., 3] > 16
        off = np.abs(seen[edge][:, :3] - (250, 120, 30)) * seen[edge][:, 3:] / 255  # as on a background
        assert off.max() <= 12, off.max()


@pytest.mark.parametrize(
    ("variant", "side"),
    [(each, 97 if "420" not in each.settings(NTSC).pixel_format else 98) for each in VARIANTS],
    ids=str,
)
def test_odd_sides_are_kept_if_the_pixel_format_has_them_and_padded_otherwise(
    variant: Variant, side: int, tmp_path: Path
) -> None:
    chunks = chunks_of(
        variant, tmp_path, (2, 2), NTSC, lambda number: sample(number, alpha=variant.alpha, width=97, height=97)
    )
    output = joined(variant, chunks, variant.output(tmp_path), NTSC, (97, 97))
    assert {(frame.width, frame.height) for _, frame in frames_of(output, variant.codec)} == {(side, side)}


@variants
def test_a_chunk_of_another_format_or_quality_is_refused(variant: Variant, tmp_path: Path) -> None:
    [first] = chunks_of(variant, tmp_path, (3,), NTSC, lambda number: sample(number, alpha=variant.alpha))
    others = {each.codec.name: each for each in VARIANTS if each != variant and each.codec != variant.codec}
    other = others["h264" if variant.codec.name != "h264" else "png"]
    encoded(other, tmp_path / "other", [sample(number, alpha=other.alpha) for number in range(3)], NTSC)
    with variant.format.join(variant.output(tmp_path), NTSC, variant.settings(NTSC), {}) as join:
        join.append(first)
        with pytest.raises(ChunkMismatchError, match="instead of"):
            join.append(ChunkSource(tmp_path / "other", 3, 3))
    assert not variant.output(tmp_path).exists()


@variants
def test_a_video_of_one_frame_is_one(variant: Variant, tmp_path: Path) -> None:
    for fps in (Fraction(1), NTSC):
        output, _ = joins(variant, tmp_path / str(fps.numerator), (1,), fps)
        assert len(list(frames_of(output, variant.codec))) == 1


@with_alpha
@pytest.mark.parametrize("is_planned", [True, False], ids=["planned", "not_planned"])
def test_a_chunk_without_its_alpha_or_with_one_too_many_is_refused(
    variant: Variant, is_planned: bool, tmp_path: Path
) -> None:
    opaque = next(each for each in VARIANTS if each.codec == variant.codec and not each.alpha)
    planned, other = (variant, opaque) if is_planned else (opaque, variant)
    [chunk] = chunks_of(other, tmp_path, (3,), NTSC, lambda number: sample(number, alpha=other.alpha))
    with (
        planned.format.join(planned.output(tmp_path), NTSC, planned.settings(NTSC), {}) as join,
        pytest.raises(ChunkMismatchError, match="pixels instead of"),
    ):
        join.append(chunk)


@pytest.mark.parametrize("variant", WITH_SOUND, ids=str)
def test_the_sound_is_as_long_as_the_pictures_and_in_place(variant: Variant, tmp_path: Path) -> None:
    fps, places = NTSC, (0, 5_000, 40_000)
    samples = sample_count(40, fps)
    mix = clicks(samples, *places) * 0.5
    assert variant.format.sound is not None
    planned = mixed(tmp_path / "mix.flac", mix)
    sound = encode_sound(tmp_path / "mix.flac", planned, tmp_path, variant.format.sound).file
    chunks = chunks_of(variant, tmp_path, (20, 20), fps, lambda number: sample(number, alpha=variant.alpha))
    output = joined(variant, chunks, variant.output(tmp_path), fps, sound=sound)
    if output.suffix == ".zip":
        with zipfile.ZipFile(output) as archive:
            output = Path(archive.extract("sound.wav", tmp_path))
    ours = np.concatenate(list(read_sound(output)), axis=1)
    assert ours.shape == (2, samples)
    for played in (ours, heard(output)):
        for place in places:
            near = np.abs(played[0, max(0, place - 100) : place + 100])
            assert abs(int(near.argmax()) + max(0, place - 100) - place) <= SAMPLE_RATE // 1000


def test_pictures_in_a_zip_file_are_the_captured_pixels_under_numbered_names(tmp_path: Path) -> None:
    variant = next(each for each in VARIANTS if str(each) == "png-png-alpha")
    output, _ = joins(variant, tmp_path / "a", (3, 2), NTSC)
    with zipfile.ZipFile(output) as archive:
        assert archive.namelist() == [f"frame_{number:06d}.png" for number in range(1, 6)]
        for number, name in enumerate(archive.namelist()):
            assert np.array_equal(decode_png(archive.read(name), alpha=True), moving(variant, number))


def test_no_real_time_thread_is_started_by_an_encoder(tmp_path: Path) -> None:
    """SVT-AV1 would start some, if the process may: they starve everything else."""
    variant = next(each for each in VARIANTS if each.codec.name == "av1")
    seen: list[set[str]] = []

    def show(number: int) -> NDArray[np.uint8]:
        threads = Path("/proc/self/task").glob("*/stat")
        # Field 41 is the policy, 0 for the usual one: see proc(5).
        seen.append({stat.read_text().rpartition(")")[2].split()[38] for stat in threads})
        return sample(number, alpha=False)

    before = Path("/proc/thread-self/status").read_text().partition("CapEff:")[2].split()[0]
    chunks = chunks_of(variant, tmp_path, (3,), NTSC, show)
    assert Path("/proc/thread-self/status").read_text().partition("CapEff:")[2].split()[0] == before
    assert set().union(*seen) == {"0"}
    with av.open(str(chunks[0].path)) as container:
        assert container.streams.video[0].codec_context.name == "libdav1d"


def test_starts_of_chunks_are_the_only_keyframes_unless_every_picture_stands_alone(tmp_path: Path) -> None:
    for variant in VARIANTS:
        output, chunks = joins(variant, tmp_path / str(variant), (3, 4), NTSC)
        if output.suffix == ".zip":
            continue
        with av.open(str(output)) as container:
            keys = [packet.is_keyframe for packet in container.demux(video=0) if packet.size]
        starts = set(accumulate((chunk.frames for chunk in chunks[:-1]), initial=0))
        assert [number for number, key in enumerate(keys) if key] == (
            list(range(7)) if variant.codec.intra else sorted(starts)
        )
