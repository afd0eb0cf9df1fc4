"""Timings of a finished video are data frames and plots, with or without its chunks."""

from __future__ import annotations

import re
import sys

import av
import msgspec
import numpy as np
import pandas as pd
import pytest
from cluster_processes import in_this_process
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

import hfdask
from hfdask.core import frame_table
from hfdask.core.frame_table import MAX_CARRIED
from hfdask.core.model import decode
from hfdask.core.results import FrameRecord
from hfdask.errors import MissingArtifactError, MissingExtraError, PlanCorruptError
from hfdask.views.colours import STATE_COLOURS
from hfdask.views.plots import Plot, figure_of

pytestmark = pytest.mark.usefixtures("fake_browser")

# The square moves in frames 0 to 14, is gone at frame 15, and nothing happens after that. Each seek takes a moment, as if a script ran in it.
HALF = """<div id="root" data-composition-id="c" data-width="160" data-height="90" data-duration="1" data-seek-ms="1" data-no-timeline>
<div class="clip" data-start="0" data-duration="0.5" style="animation:go 1s"></div></div>"""
PARTS = ("decode", "seek", "picture")


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> hfdask.RenderResult:
    """A video of three chunks that are kept."""
    folder = tmp_path_factory.mktemp("kept")
    (folder / "index.html").write_text(f"<!doctype html><html><body>{HALF}</body></html>")
    return hfdask.render(folder, folder / "out.mp4", chunk_size=10, plan_dir=folder / "plan")


def without_lists(result: hfdask.RenderResult) -> list[FrameRecord]:
    """The frame records of a video as they were before seeks and sizes were recorded."""
    records = [hfdask.frame_record(chunk) for chunk in result.chunks]
    dropped: dict[str, tuple[()]] = dict.fromkeys(("decode", "seek", "encode", "taken", "sizes"), ())
    return [msgspec.structs.replace(record, **dropped) for record in records]


def test_a_frame_record_has_the_bytes_of_each_packet_and_the_parts_of_its_seconds(kept):
    for chunk in kept.chunks:
        record = hfdask.frame_record(chunk)
        with av.open(chunk.url.removeprefix("file://")) as file:
            stored = [packet.size for packet in file.demux(video=0) if packet.size]
        assert (
            np.abs(np.array(record.sizes) - stored).max() <= 8
        )  # the container writes each part's length in another way
        for decoded, sought, seconds in zip(record.decode, record.seek, record.seconds, strict=True):
            assert 0 <= decoded + sought <= seconds + 2e-5
        assert all(0 <= seconds < chunk.seconds for seconds in record.encode)
        assert len(record.taken) == chunk.frames


def test_a_still_frame_is_static_or_its_picture_was_taken_and_was_the_same(kept):
    states = list(kept.perf.frames["state"])
    assert states[:16] == ["captured"] * 16
    # The first still frame after a movement, and the first of a chunk, have pictures.
    assert states[16:] == ["unchanged", "static", "static", "static", "unchanged", *["static"] * 9]
    assert states.count("captured") == kept.frames - kept.static_frames


def test_without_the_damage_test_a_picture_of_each_frame_is_taken(project, tmp_path):
    frames = hfdask.render(project(HALF), tmp_path / "out.mp4", damage_test=False).perf.frames
    assert list(frames["state"]) == ["captured"] * 16 + ["unchanged"] * 14


@pytest.mark.parametrize(
    "change",
    [
        {"sizes": (1,) * 9},
        {"taken": ()},
        {"seek": (-0.1,) * 10},
        {"encode": (1e10,) * 10},
        {"sizes": (2**41,) * 10},
        {"decode": ("a",) * 10},
    ],
    ids=repr,
)
def test_a_frame_record_with_lists_that_do_not_fit_is_refused(kept, change):
    record = msgspec.structs.replace(hfdask.frame_record(kept.chunks[0]))
    data = msgspec.json.encode({**msgspec.to_builtins(record), **change})
    with pytest.raises(PlanCorruptError):
        decode(data, FrameRecord, "record")


def test_frames_of_records_without_the_later_lists_have_what_is_known(kept):
    records = without_lists(kept)
    assert [decode(msgspec.json.encode(record), FrameRecord, "record") for record in records] == records
    frames = msgspec.structs.replace(kept, frame_rows=frame_table.packed(records)).perf.frames
    assert list(frames["seconds"]) == pytest.approx(list(kept.perf.frames["seconds"]))
    assert frames[["decode", "seek", "picture", "encode", "bytes"]].isna().all(axis=None)
    assert list(frames["state"]) == ["captured"] * 16 + ["static"] * 14
    assert list(frames["digest"]) == list(kept.perf.frames["digest"])


def test_frames_are_carried_by_the_result_of_a_render_that_removes_its_chunks(project, tmp_path, kept):
    result = hfdask.render(project(HALF), tmp_path / "out.mp4", chunk_size=10)
    assert [path.name for path in tmp_path.iterdir() if path.name != "project"] == ["out.mp4"]
    frames = result.perf.frames
    assert list(frames.index) == list(range(30))
    assert list(frames["chunk"]) == [0] * 10 + [1] * 10 + [2] * 10
    assert list(frames["time"]) == [frame / 30 for frame in range(30)]
    assert list(frames["digest"]) == [digest for chunk in kept.chunks for digest in hfdask.frame_record(chunk).digests]
    assert list(frames["bytes"]) == [size for chunk in kept.chunks for size in hfdask.frame_record(chunk).sizes]
    assert np.allclose(frames[[*PARTS]].sum(axis=1), frames["seconds"])
    assert set(frames["worker"]) == {chunk.worker for chunk in result.chunks}


def test_a_frame_takes_41_bytes_in_a_result(kept):
    assert len(kept.frame_rows) == 41 * kept.frames
    assert 41 * MAX_CARRIED < 25_000_000


def test_frames_are_carried_from_a_worker_that_assembles(project, tmp_path):
    with in_this_process() as client:
        result = hfdask.render(project(HALF), tmp_path / "out.mp4", client=client, chunk_size=10, assemble_on="worker")
    assert result.assembled_on
    assert len(result.perf.frames) == 30


def test_frames_of_a_very_long_video_are_read_from_its_chunks_if_they_are_kept(project, tmp_path, kept, monkeypatch):
    monkeypatch.setattr(frame_table, "MAX_CARRIED", 29)
    source = project(HALF)
    long = hfdask.render(source, tmp_path / "long.mp4", chunk_size=10, plan_dir=tmp_path / "plan")
    assert long.frame_rows == b""
    pd.testing.assert_series_equal(long.perf.frames["digest"], kept.perf.frames["digest"])
    removed = hfdask.render(source, tmp_path / "removed.mp4", chunk_size=10)
    with pytest.raises(MissingArtifactError, match="render with a plan_dir to keep the chunks"):
        _ = removed.perf.frames


def test_chunks_have_the_time_at_which_they_began_and_ended(kept):
    before = pd.Timestamp.now("UTC")
    chunks = kept.perf.chunks
    assert list(chunks.index) == [0, 1, 2]
    assert list(chunks["frames"]) == [10, 10, 10]
    assert (before - pd.Timedelta(hours=1) < chunks["began"]).all()
    assert (chunks["began"] < chunks["ended"]).all()
    assert (chunks["ended"] < before).all()
    for chunk in kept.chunks:
        one_after_the_other = sum(chunk.stages.get(stage, 0) for stage in ("materialise", "boot", "capture", "upload"))
        assert one_after_the_other <= chunk.seconds + 0.01
        assert (chunks["ended"] - chunks["began"])[chunk.index].total_seconds() == pytest.approx(chunk.seconds)


def test_chunks_without_times_have_none(kept):
    chunks = tuple(msgspec.structs.replace(chunk, began=0.0, seconds=0.0) for chunk in kept.chunks)
    perf = msgspec.structs.replace(kept, chunks=chunks).perf
    assert perf.chunks[["began", "ended", "seconds"]].isna().all(axis=None)
    assert "all chunks were reused" in texts(perf.plot())


def texts(figure: Figure) -> str:
    """All texts of a figure."""
    parts = [text.get_text() for axes in figure.axes for text in (*axes.texts, axes.title)]
    parts += [axes.get_title("left") for axes in figure.axes]
    parts += [
        text.get_text()
        for axes in figure.axes
        if (legend := axes.get_legend()) is not None
        for text in legend.get_texts()
    ]
    return "\n".join(parts)


@pytest.mark.slow
def test_the_plot_has_chunks_on_workers_the_cost_of_frames_and_the_fixed_cost(kept):
    figure = kept.perf.plot()
    assert len(figure.axes) == 4
    said = texts(figure)
    for label in ("Chunks on workers", "Cost of each frame", "16 captured", "2 unchanged", "12 static"):
        assert label in said
    fixed = sum(chunk.stages[stage] for chunk in kept.chunks for stage in ("materialise", "boot", "upload"))
    share = fixed / sum(chunk.seconds for chunk in kept.chunks)
    assert f"{fixed / 3:.2f} s a chunk ({share:.0%})" in said
    assert isinstance(figure, Plot)
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_the_strip_of_the_plot_has_the_colour_of_each_frame_s_state(kept):
    strip = kept.perf.plot().axes[2].images[0]
    states = ["captured"] * 16 + ["unchanged"] + ["static"] * 3 + ["unchanged"] + ["static"] * 9
    pixels = strip.cmap(strip.norm(strip.get_array()))[0]
    expected = [[int(STATE_COLOURS[state][place : place + 2], 16) / 255 for place in (1, 3, 5)] for state in states]
    assert np.allclose(pixels[:, :3], expected)


def test_reused_chunks_are_no_part_of_the_plot_s_time(kept, tmp_path):
    again = hfdask.render(
        tmp_path.parent / re.sub(r".*/(kept\d+)/.*", r"\1", kept.output),
        tmp_path / "again.mp4",
        chunk_size=10,
        plan_dir=kept.plan_url,
    )
    assert again.perf.chunks["reused"].all()
    assert list(again.perf.frames["digest"]) == list(kept.perf.frames["digest"])
    assert "all chunks were reused" in texts(again.perf.plot())


def test_a_chunk_that_a_lost_worker_of_this_render_made_is_part_of_the_plot_s_time(kept):
    chunks = list(kept.chunks)
    made, before = 1e9 + 10, 1e9 - 3600
    for index, began, reused in ((0, made, False), (1, made + 5, True), (2, before, True)):
        chunks[index] = msgspec.structs.replace(chunks[index], began=began, reused=reused)
    workers = msgspec.structs.replace(kept, chunks=tuple(chunks)).perf.plot().axes[0]
    assert [text.get_text() for text in workers.texts] == ["0", "1"]


def test_a_long_video_is_drawn_in_2000_columns(kept):
    frames = pd.concat([kept.perf.frames] * 200, ignore_index=True)
    figure = figure_of(kept.perf.chunks, frames)
    assert "Cost of each frame, mean of 3 frames" in texts(figure)
    columns = figure.axes[1].patches[0]
    assert isinstance(columns, StepPatch)
    assert len(columns.get_data()[0]) == 2000


@pytest.mark.parametrize(("package", "ask"), [("pandas", "chunks"), ("pandas", "frames"), ("matplotlib", "plot")])
def test_without_the_extra_the_error_names_it(kept, monkeypatch, package, ask):
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    perf = kept.perf
    with pytest.raises(
        MissingExtraError, match=rf"{package} is not installed: pip install 'hfdask\[analysis\]'"
    ) as error:
        getattr(perf, ask)() if ask == "plot" else getattr(perf, ask)
    assert error.value.details == {"extra": "analysis", "package": package}


def test_results_and_timings_have_a_short_plain_text(kept):
    assert repr(kept) == (
        f"<RenderResult {kept.output}: 30 frames of 160x90 at 30 fps in 3 chunks, {kept.size / 1e6:.2f} MB>"
    )
    assert (
        repr(kept.perf)
        == f"<Perf of {kept.output}: 3 chunks on 1 workers, 30 frames; see .chunks, .frames and .plot()>"
    )
