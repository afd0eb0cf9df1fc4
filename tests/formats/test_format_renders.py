"""Renders in every format: from the name of the output to a verified file, in chunks and whole, and again."""

from __future__ import annotations

import json
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, get_args

import av
import numpy as np
import pytest
from click.testing import CliRunner
from format_samples import VARIANTS, WITH_SOUND, Variant, frames_of, rgba
from mix_samples import clicks
from samples import BOX
from sound_plans import renders_sound

import hfdask
import hfdask.store
from hfdask import errors
from hfdask.cli import main
from hfdask.config import Quality, RenderConfig
from hfdask.core.sound import SAMPLE_RATE
from hfdask.formats.table import FORMATS
from hfdask.media.picture import decode_png
from hfdask.sound.reader import read_sound

pytestmark = pytest.mark.usefixtures("fake_browser")

variants = pytest.mark.parametrize("variant", VARIANTS, ids=str)

CLEAR = BOX.replace("data-no-timeline", "data-no-timeline data-clear").replace(
    '<div class="clip"', '<div class="clip" data-clear'
)
"""The box is half transparent, on nothing."""


def rendered(variant: Variant, source: Path, output: Path, **options: Any) -> hfdask.RenderResult:
    return hfdask.render(source, output, codec=variant.codec.name, alpha=variant.alpha, **options)


def _with_sound(output: Path) -> Path:
    """Return the file that has an output's sound."""
    if output.suffix != ".zip":
        return output
    with zipfile.ZipFile(output) as archive:
        return Path(archive.extract("sound.wav", output.with_suffix("")))


@pytest.mark.sample(
    "mp4-h264", "mp4-h265", "mp4-av1", "webm-vp9-alpha", "mov-prores-alpha", "png-png-alpha", "hls-h264"
)
@variants
def test_a_render_is_the_same_in_chunks_and_whole_is_certified_and_can_be_reused(variant, project, tmp_path):
    source = project(CLEAR)
    output = variant.output(tmp_path)
    plan = tmp_path / "plan"
    first = rendered(variant, source, output, chunk_size=8, certificate=True, plan_dir=plan, quality="draft")
    assert len(first.chunks) == 4
    assert all(seam.equal for seam in first.seams)
    assert first.warnings == ()
    assert hfdask.verify(output, sample=4).checked == (0, 10, 19, 29)
    content = output.read_bytes()
    again = rendered(variant, source, output, chunk_size=8, plan_dir=plan, quality="draft")
    assert all(chunk.reused for chunk in again.chunks)
    assert output.read_bytes() == content
    whole = rendered(variant, source, variant.output(tmp_path, "whole"), chunk_size=30, quality="draft")
    assert whole.digest == first.digest
    compared = hfdask.compare(output, variant.output(tmp_path, "whole"))
    assert compared.equal_length
    assert compared.identical or not variant.codec.intra
    assert compared.min_psnr > 30


@pytest.mark.parametrize("variant", [each for each in VARIANTS if each.alpha], ids=str)
def test_a_transparent_page_keeps_its_alpha(variant, project, tmp_path):
    output = variant.output(tmp_path)
    rendered(variant, project(CLEAR), output, chunk_size=8)
    frames = list(frames_of(output, variant.codec))
    assert len(frames) == 30
    for number, (_, frame) in enumerate(frames):
        left = round(100 * number / 30) % 144
        alpha = rgba(frame)[..., 3].astype(int)
        assert np.abs(alpha[2:14, left + 2 : left + 14] - 128).max() <= 4
        assert alpha[24:].max() <= 2


def test_a_page_without_a_transparent_pixel_is_told_if_the_format_has_alpha(project, tmp_path):
    source = project()
    [told] = hfdask.render(source, tmp_path / "out.webm", chunk_size=15).warnings
    assert "every pixel is opaque" in told
    assert hfdask.render(source, tmp_path / "out.webm", alpha=False).warnings == ()
    assert hfdask.render(project(CLEAR), tmp_path / "out.webm").warnings == ()


@pytest.mark.sample("mp4-h264", "webm-vp9")
@pytest.mark.parametrize("variant", WITH_SOUND, ids=str)
def test_the_mix_is_in_the_output_whatever_its_chunks_are(variant, project, tmp_path):
    outputs = []
    with renders_sound(clicks(SAMPLE_RATE, 12_345) * 0.5, tmp_path):
        for size in (30, 7):
            outputs.append(variant.output(tmp_path, f"{size}"))
            result = rendered(variant, project(), outputs[-1], chunk_size=size, quality="draft")
            assert result.sound is not None
    files = [_with_sound(output) for output in outputs]
    one, other = (np.concatenate(list(read_sound(file)), axis=1) for file in files)
    assert np.array_equal(one, other)
    assert one.shape == (2, SAMPLE_RATE)
    assert abs(int(np.abs(one[0]).argmax()) - 12_345) <= SAMPLE_RATE // 1000


def test_a_mov_file_has_its_sound_in_aac_if_asked_for(project, tmp_path):
    heard = []
    with renders_sound(clicks(SAMPLE_RATE, 12_345) * 0.5, tmp_path):
        for codec in ("pcm", "aac"):
            hfdask.render(project(), tmp_path / f"{codec}.mov", sound_codec=codec, quality="draft")
            with av.open(str(tmp_path / f"{codec}.mov")) as container:
                heard.append(container.streams.audio[0].codec_context.name)
    assert heard == ["pcm_s24le", "aac"]


def test_digests_cover_the_alpha(project, tmp_path):
    half = hfdask.render(project(CLEAR), tmp_path / "half.zip", plan_dir=tmp_path / "half")
    whole = hfdask.render(
        project(CLEAR.replace('class="clip" data-clear', 'class="clip"')),
        tmp_path / "whole.zip",
        plan_dir=tmp_path / "whole",
    )
    opaque = hfdask.render(project(CLEAR), tmp_path / "opaque.zip", alpha=False)
    assert len({half.digest, whole.digest, opaque.digest}) == 3


def test_formats_with_other_encoders_never_share_a_chunk(project, tmp_path):
    source = project(CLEAR)
    keys: dict[str, list[Variant]] = {}
    for variant in VARIANTS:
        options: dict[str, Any] = {"format": variant.format.name, "codec": variant.codec.name, "alpha": variant.alpha}
        plan = hfdask.plan(source, tmp_path / "plan", chunk_size=30, **options)
        assert plan.manifest.format == variant.format.name
        keys.setdefault(plan.manifest.chunks[0].key, []).append(variant)
    shared = [[str(each) for each in same] for same in keys.values() if len(same) > 1]
    assert shared == [["mp4-h264", "hls-h264"]]  # segments are the same chunks


def test_the_format_follows_the_name_of_the_output_and_can_be_given(project, tmp_path):
    source = project(CLEAR)
    for name, format, codec in [
        ("a.mp4", "mp4", "libx264"),
        ("a.WEBM", "webm", "libvpx-vp9"),
        ("a.mov", "mov", "prores_ks"),
        ("a.zip", "png", "png"),
    ]:
        result = hfdask.render(source, tmp_path / name, plan_dir=tmp_path / f"plan-{name}")
        manifest = hfdask.Plan.open(result.plan_url).manifest
        assert (manifest.format, manifest.encoder.codec) == (format, codec)
    assert hfdask.plan(source, tmp_path / "plan", codec="prores").manifest.format == "mov"
    assert hfdask.plan(source, tmp_path / "plan").manifest.format == "mp4"


def test_the_project_s_own_format_gives_way_to_the_name_of_the_output(project, tmp_path):
    source = project(CLEAR, **{"hfdask.toml": '[render]\nformat = "webm"\n'})
    assert hfdask.plan(source, tmp_path / "plan").manifest.format == "webm"
    hfdask.render(source, tmp_path / "out.zip")
    assert zipfile.is_zipfile(tmp_path / "out.zip")


@pytest.mark.parametrize(
    ("output", "options", "field", "why"),
    [
        ("out.mp4", {"crf": 20, "bitrate": "1M"}, "bitrate", "exclude each other"),
        ("out.mp4", {"codec": "vp9"}, "codec", "codecs of mp4 are h264, h265, av1"),
        ("out.mp4", {"codec": "mpeg2"}, "codec", "codecs of mp4"),
        ("out.mp4", {"alpha": True}, "alpha", "h264 has no alpha"),
        ("out.mp4", {"crf": 52}, "crf", "from 0 to 51"),
        ("out.webm", {"crf": 64}, "crf", "from 0 to 63"),
        ("out.mov", {"crf": 20}, "crf", "prores has no crf"),
        ("out.mov", {"bitrate": "8M"}, "bitrate", "prores has no bitrate"),
        ("out.zip", {"crf": 3}, "crf", "png has no crf"),
        ("out.mp4", {"sound_codec": "opus"}, "sound_codec", "codecs of sound in mp4 are aac, not 'opus'"),
        ("out.webm", {"sound_codec": "aac"}, "sound_codec", "codecs of sound in webm are opus, not 'aac'"),
        ("out.gif", {"sound_codec": "aac"}, "sound_codec", "codecs of sound in gif are none"),
        ("out.gif", {"crf": 20}, "crf", "png has no crf"),
        ("out.webp", {"bitrate": "1M"}, "bitrate", "png has no bitrate"),
        ("out.mp4", {"loop": 2}, "loop", "mp4 has no loop count"),
        ("out.mp4", {"codec": "h265", "alpha": True}, "alpha", "h265 has no alpha"),
        ("out.mov", {"codec": "h264"}, "codec", "codecs of mov are prores"),
        ("out.m3u8", {"codec": "h265"}, "codec", "codecs of hls are h264"),
        ("out.m3u8", {"alpha": True}, "alpha", "h264 has no alpha"),
        ("out.webm", {"capture": "canvas"}, "capture", "gives no alpha"),
        ("out.zip", {"scale": 2, "resolution": "4k"}, "scale", "either resolution or scale"),
        ("out.webm", {"format": "mp4"}, "output", r"must end in \.mp4 for the format mp4"),
        ("out.avi", {}, "output", r"must end in \.mp4 or \.webm"),
        ("out", {}, "output", r"must end in \.mp4 or .* for a folder of pictures, give the format png"),
        ("out", {"format": "hls"}, "output", r"must end in \.m3u8 for the format hls"),
        ("out/", {"format": "hls"}, "output", r"must end in \.m3u8 for the format hls"),
        ("out.png", {"format": "png"}, "output", r"must end in \.zip, or have no ending for a folder"),
        ("out", {"format": "avi"}, "format", "must be one of mp4, webm, mov, png"),
    ],
)
def test_options_that_do_not_fit_are_refused_at_once_and_leave_nothing(output, options, field, why, project, tmp_path):
    source = project()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(errors.InvalidConfigError, match=why) as caught:
        hfdask.render(source, f"{tmp_path}/videos/{output}", **options)
    assert caught.value.details["field"] == field
    assert sorted(tmp_path.rglob("*")) == before


def test_what_only_planning_knows_is_refused_while_planning(project, tmp_path):
    small = project(BOX.replace('"160"', '"48"').replace('"90"', '"48"'))
    with pytest.raises(errors.InvalidConfigError, match="48x48 pixels are too few for h265"):
        hfdask.render(small, tmp_path / "out.mp4", codec="h265")
    day = project(BOX.replace('data-duration="1"', 'data-duration="86400"'))
    with pytest.raises(errors.InvalidConfigError, match="2592000 frames are more than the 999999 of the format png"):
        hfdask.render(day, tmp_path / "out.zip", sweep=0)
    with pytest.raises(errors.InvalidConfigError, match="2592000 frames are more than the 999999 of the format png"):
        hfdask.render(day, tmp_path / "frames", format="png", sweep=0)
    with pytest.raises(errors.InvalidConfigError, match="sides must be whole numbers"):
        hfdask.render(project(), tmp_path / "out.mp4", scale="2/3")
    assert not (tmp_path / "frames").exists()
    assert [path.name for path in tmp_path.glob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["out.mp4", "out.webm", "out.m3u8"])
def test_a_plan_tells_that_a_video_has_another_row_if_its_pixels_share_their_colour(name, project, tmp_path):
    """160x90 by half is 80x45."""
    result = hfdask.render(project(), tmp_path / name, scale="1/2", alpha=False)
    told = [text for text in result.warnings if "80x46 pixels instead of 80x45" in text]
    assert len(told) == 1
    assert "needs even sides" in told[0]
    for kept in ("out.mov", "out.zip", "out.gif"):
        assert hfdask.render(project(), tmp_path / kept, scale="1/2", alpha=False).warnings == ()


@pytest.mark.parametrize("lacked", ["libsvtav1", "libdav1d"])
def test_an_encoder_or_decoder_that_this_ffmpeg_lacks_is_named_while_planning(lacked, project, tmp_path, monkeypatch):
    real = av.Codec

    def lacking(name: str, mode: Literal["r", "w"] = "r") -> av.Codec:
        if name == lacked:
            raise av.codec.codec.UnknownCodecError(name)
        return real(name, mode)

    monkeypatch.setattr(av, "Codec", lacking)
    with pytest.raises(errors.InvalidConfigError, match="has no encoder libsvtav1, or no decoder for it"):
        hfdask.render(project(), tmp_path / "out.mp4", codec="av1")
    assert not (tmp_path / "out.mp4").exists()


def test_a_plan_is_assembled_only_to_a_name_of_its_format(project, tmp_path):
    plan = hfdask.plan(project(CLEAR), tmp_path / "plan", format="webm", chunk_size=30)
    chunks = [hfdask.render_chunk(plan.url, 0, plan.chunk_url(0))]
    with pytest.raises(errors.InvalidConfigError, match=r"must end in \.webm"):
        hfdask.assemble(plan.url, chunks, tmp_path / "out.mp4")
    hfdask.assemble(plan.url, chunks, tmp_path / "out.webm")
    with av.open(str(tmp_path / "out.webm")) as container:
        assert container.format.name == "matroska,webm"


def test_the_command_line_takes_formats(project, tmp_path):
    source = project(CLEAR)
    run = CliRunner().invoke(main, ["plan", str(source), str(tmp_path / "plan"), "--format", "mov", "--no-alpha"])
    assert run.exit_code == 0, run.output
    encoder = hfdask.Plan.open(tmp_path / "plan").manifest.encoder
    assert (encoder.codec, encoder.pixel_format) == ("prores_ks", "yuv444p10le")
    refused = CliRunner().invoke(main, ["render", str(source), "-o", str(tmp_path / "o.mp4"), "--codec", "vp9"])
    assert refused.exit_code == 2
    assert "codecs of mp4" in refused.output


def test_a_plan_with_other_options_of_an_encoder_is_refused(project, tmp_path):
    """Some options name files that an encoder would write."""
    for variant in VARIANTS:
        settings = variant.settings(Fraction(30))
        options = {**settings.options, "stats": "/tmp/x"}
        changed = type(settings)(
            codec=settings.codec,
            pixel_format=settings.pixel_format,
            options=options,
            threads=1,
            timescale=settings.timescale,
            container=settings.container,
        )
        assert variant.codec.knows(settings, Fraction(30))
        assert not variant.codec.knows(changed, Fraction(30))


def test_every_format_has_each_quality():
    for format in FORMATS.values():
        for codec in format.codecs:
            for quality in get_args(Quality):
                RenderConfig(format=format.name, codec=codec.name, quality=quality)


def test_a_still_of_a_format_with_alpha_has_it(project, tmp_path):
    hfdask.still(project(CLEAR), 0.5, tmp_path / "still.png", format="png")
    pixels = decode_png((tmp_path / "still.png").read_bytes(), alpha=True)
    assert set(np.unique(pixels[..., 3])) == {0, 128}


def pictures_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_sequence_of_pictures_can_be_a_folder_with_the_sound_beside_them(project, tmp_path):
    source, folder = project(CLEAR), tmp_path / "out" / "frames"
    with renders_sound(clicks(SAMPLE_RATE, 12_345) * 0.5, tmp_path):
        result = hfdask.render(source, folder, format="png", chunk_size=8)
        hfdask.render(source, tmp_path / "out.zip", chunk_size=30)
    files = pictures_in(folder)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert files == {name: archive.read(name) for name in archive.namelist()}
    compared = CliRunner().invoke(main, ["compare", str(folder), str(tmp_path / "out.zip"), "--json"])
    assert (compared.exit_code, json.loads(compared.stdout)["identical"]) == (0, True)
    assert [*files] == [*(f"frame_{number:06d}.png" for number in range(1, 31)), "sound.wav"]
    assert result.size == sum(map(len, files.values()))
    assert result.output == str(folder)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["frames"]


def test_a_shorter_sequence_replaces_a_longer_one_and_nothing_else(project, tmp_path):
    folder = tmp_path / "frames"
    hfdask.render(project(CLEAR), folder, format="png")
    short = project(CLEAR.replace('data-duration="1" data-no', 'data-duration="0.5" data-no'))
    hfdask.render(short, folder, format="png")
    assert len(pictures_in(folder)) == 15
    (folder / "notes.txt").write_text("mine")
    for place, name in ((folder, "notes.txt"), (tmp_path / "project", "index.html")):
        with pytest.raises(errors.OutputNotWritableError, match=f"has other files, such as {name!r}"):
            hfdask.render(short, place, format="png")
    assert (folder / "notes.txt").read_text() == "mine"
    (tmp_path / "file").write_text("a file")
    with pytest.raises(errors.OutputNotWritableError, match="is a file"):
        hfdask.render(short, tmp_path / "file", format="png")


def test_a_sequence_of_pictures_can_be_in_a_store(project, tmp_path):
    url = f"memory://{tmp_path.name}/frames"
    hfdask.render(project(CLEAR), url, format="png", chunk_size=15)
    short = project(CLEAR.replace('data-duration="1" data-no', 'data-duration="0.5" data-no'))
    hfdask.render(short, url, format="png")
    assert sorted(hfdask.store.Store(url).names()) == [f"frame_{number:06d}.png" for number in range(1, 16)]


def test_a_folder_under_way_is_removed_if_the_render_fails(project, tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise errors.OutputInvalidError("not what was planned", check="frames")

    monkeypatch.setattr(type(FORMATS["png"]), "verify", fail)
    with pytest.raises(errors.OutputInvalidError):
        hfdask.render(project(CLEAR), tmp_path / "out" / "frames", format="png", plan_dir=tmp_path / "plan")
    assert list((tmp_path / "out").glob("**/*.png")) == []
    assert not (tmp_path / "out" / "frames").exists()


def test_a_batch_has_the_format_of_its_names(project, tmp_path):
    source, rows = project(CLEAR), [{"id": 1}, {"id": 2}]
    hfdask.render_batch(source, rows, f"{tmp_path}/out/{{id}}.webm", ignore=["id"]).wait()
    for number in (1, 2):
        with av.open(str(tmp_path / "out" / f"{number}.webm")) as container:
            assert container.streams.video[0].metadata["ALPHA_MODE"] == "1"
