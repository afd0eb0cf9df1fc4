"""Repeated pictures: real decoders must give back exactly the picture before, wherever they stand."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_samples import png

from hfdask.errors import EncodeError
from hfdask.formats.encode import ChunkEncoder
from hfdask.formats.table import encoder_settings
from hfdask.media.captured import PngPicture
from hfdask.media.h264_skip import SkipWriter, split_units
from hfdask.media.picture import Converter, psnr

FPS = Fraction(30)


def noise(seed: int, width: int, height: int) -> PngPicture:
    """A picture that moves by some pixels from seed to seed, so that later frames refer to earlier ones."""
    base = np.random.default_rng(7).integers(0, 256, (height, width + 64, 3), np.uint8)
    return PngPicture(png(np.ascontiguousarray(base[:, seed % 64 : seed % 64 + width])))


def encode(path, pattern: str, width: int, height: int, quality: str = "standard") -> None:
    """`n` is a new picture and `r` a repeated one."""
    with ChunkEncoder(path, encoder_settings(quality, None, None, FPS), FPS, width, height, len(pattern)) as encoder:
        for number, kind in enumerate(pattern):
            if kind == "n":
                encoder.encode(noise(number, width, height))
            else:
                encoder.repeat()


def decode(path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        video.codec_context.options = {"err_detect": "explode"}
        frames = list(container.decode(video))
        assert not any(frame.is_corrupt for frame in frames)
        return [frame.to_ndarray() for frame in frames]


def source(number: int, width: int, height: int) -> np.ndarray:
    return Converter().convert(noise(number, width, height).frame).to_ndarray()


@pytest.mark.parametrize("quality", ["draft", "standard", "high"])
@pytest.mark.parametrize("pattern", ["nr", "nrrn", "nnrrnrn", "n" + "r" * 40 + "nn", "nrnrnrnr", "nnnnrrrr" * 6])
def test_a_repeated_picture_is_the_one_before(pattern, quality, tmp_path):
    encode(tmp_path / "a.mp4", pattern, 96, 80, quality)
    frames = decode(tmp_path / "a.mp4")
    assert len(frames) == len(pattern)
    for number, kind in enumerate(pattern):
        if kind == "r":
            assert (frames[number] == frames[number - 1]).all()
        else:  # with a wrong reference these pictures of moving noise would be nothing like the source
            assert psnr(frames[number], source(number, 96, 80)) > 24


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text("nr", max_size=60).map(lambda text: "n" + text),
    st.sampled_from([(16, 16), (33, 17), (160, 90), (640, 360)]),
    st.sampled_from(["draft", "standard"]),
)
def test_any_pattern_and_size_decodes(tmp_path, pattern, size, quality):
    path = tmp_path / "a.mp4"
    encode(path, pattern, *size, quality)
    frames = decode(path)
    assert len(frames) == len(pattern)
    for number, kind in enumerate(pattern):
        if kind == "r":
            assert (frames[number] == frames[number - 1]).all()


@pytest.mark.slow
def test_a_full_hd_picture_is_repeated_exactly(tmp_path):
    encode(tmp_path / "a.mp4", "nrrnr", 1920, 1080)
    frames = decode(tmp_path / "a.mp4")
    assert (frames[1] == frames[0]).all()
    assert (frames[2] == frames[0]).all()
    assert (frames[4] == frames[3]).all()
    with av.open(str(tmp_path / "a.mp4")) as container:
        sizes = [packet.size for packet in container.demux(video=0) if packet.size]
    assert max(sizes[1], sizes[2], sizes[4]) < 300


@pytest.mark.parametrize("headers", [b"", b"\0\0\0\1\x67", b"\0\0\0\1\x67\x64\0\x0a\0\0\0\1\x68\xff"])
def test_other_streams_are_refused(headers):
    with pytest.raises(EncodeError):
        SkipWriter.of(headers)


def test_units_are_split_at_both_start_codes():
    assert split_units(b"\0\0\0\1ab\0\0\1c") == [b"ab", b"c"]
