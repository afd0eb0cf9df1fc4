"""Files in HDR: settings of their encoder, joined chunks, and what verification finds."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest
from hdr_samples import decoded, levels
from msgspec.structs import replace

from hfdask.core.model import EncoderSettings
from hfdask.errors import FormatNotSupportedError, InvalidConfigError, OutputInvalidError
from hfdask.formats.encode import ChunkEncoder
from hfdask.formats.format import Planned
from hfdask.formats.join import ChunkSource
from hfdask.formats.mp4 import MP4
from hfdask.formats.table import FORMATS, known_settings
from hfdask.media.captured import Picture
from hfdask.media.hdr_colors import TOP
from hfdask.media.transfers import HdrTransfer

FPS = Fraction(25)
SIZE = (80, 64)
TRANSFERS: tuple[HdrTransfer, ...] = ("pq", "hlg")


class Wide(Picture):
    """A grey with 16 bits."""

    def __init__(self, grey: float) -> None:
        codes = np.full((SIZE[1], SIZE[0], 3), round(grey * TOP), np.uint16)
        self._frame = av.VideoFrame.from_ndarray(codes, format="rgb48le")

    @property
    def frame(self) -> av.VideoFrame:
        return self._frame

    @property
    def png(self) -> bytes:
        raise NotImplementedError


def settings_of(transfer: HdrTransfer, quality: str = "draft") -> EncoderSettings:
    return MP4.settings(quality, None, None, FPS, codec="h265", transfer=transfer)


def planned(settings: EncoderSettings) -> Planned:
    width, height = SIZE
    return Planned(frames=6, fps=FPS, width=width, height=height, starts=(0, 4), settings=settings)


def joined(folder: Path, encoded: EncoderSettings, checked: Planned) -> Path:
    """Encode six frames in two chunks, join them, and verify the file."""
    output = folder / "out.mp4"
    with MP4.join(output, FPS, encoded, {}) as join:
        for start, frames in ((0, 4), (4, 2)):
            path = folder / f"{start}.mp4"
            with ChunkEncoder(path, encoded, FPS, *SIZE, frames) as encoder:
                for number in range(start, start + frames):
                    encoder.encode(Wide(number / 10))
            join.append(ChunkSource(path, start, frames))
        report = join.finish()
        MP4.verify(output, checked, report, None)
    return output


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_chunks_are_joined_and_verified_with_their_levels(tmp_path, transfer):
    settings = settings_of(transfer)
    assert settings.options["preset"] == "fast"
    frames = decoded(joined(tmp_path, settings, planned(settings)))
    assert len(frames) == 6
    for number, frame in enumerate(frames):
        assert np.abs(frame.astype(int) - levels([number / 10] * 3)).max() <= 3


def test_another_transfer_function_is_found(tmp_path):
    with pytest.raises(OutputInvalidError) as caught:
        joined(tmp_path, settings_of("pq"), planned(settings_of("hlg")))
    assert caught.value.details["check"] == "colour"


@pytest.mark.parametrize(
    ("stated", "instead"),
    [(":max-cll=1000,400", ""), ("max-cll=1000,400", "max-cll=900,400"), ("L(10000000,1)", "L(40000000,1)")],
    ids=["none", "level", "display"],
)
def test_other_light_is_found(tmp_path, stated, instead):
    settings = settings_of("pq")
    parameters = settings.options["x265-params"]
    assert stated in parameters
    options = {**settings.options, "x265-params": parameters.replace(stated, instead)}
    with pytest.raises(OutputInvalidError) as caught:
        joined(tmp_path, msgspec.structs.replace(settings, options=options), planned(settings))
    assert caught.value.details["check"] == "light"


@pytest.mark.parametrize("transfer", TRANSFERS)
@pytest.mark.parametrize("quality", ["draft", "looks", "standard", "high"])
def test_settings_of_hdr_are_known_and_changed_ones_are_not(transfer, quality):
    settings = settings_of(transfer, quality)
    assert known_settings("mp4", settings, FPS)
    other = "hlg" if transfer == "pq" else "pq"
    assert not known_settings("mp4", msgspec.structs.replace(settings, transfer=other), FPS)
    assert not known_settings("mp4", msgspec.structs.replace(settings, transfer="bt709"), FPS)
    options = {**settings.options, "x265-params": settings.options["x265-params"] + ":csv=/tmp/log"}
    assert not known_settings("mp4", msgspec.structs.replace(settings, options=options), FPS)


def test_only_one_codec_has_hdr():
    assert [(format.name, codec.name) for format in FORMATS.values() for codec in format.codecs if codec.hdr] == [
        ("mp4", "h265")
    ]
    assert MP4.hdr_codec(None, alpha=None) == "h265"
    for format in FORMATS.values():
        if format is not MP4:
            with pytest.raises(FormatNotSupportedError):
                format.hdr_codec(None, alpha=None)
    with pytest.raises(InvalidConfigError, match="has no HDR"):
        MP4.settings("looks", None, None, FPS, codec="h264", transfer="pq")


def test_sdr_files_need_not_state_their_light(tmp_path):
    sdr = MP4.settings("draft", None, None, FPS, codec="h265")
    assert "master-display" not in sdr.options["x265-params"]
    with pytest.raises(OutputInvalidError) as caught:
        joined(tmp_path, sdr, replace(planned(sdr), settings=settings_of("pq")))
    assert caught.value.details["check"] == "pixel_format"
