"""Results can be read as rows of a data frame and as tables of a notebook."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pandas as pd
import pytest
from cluster_processes import in_this_process
from samples import SLOW

import hfdask
from hfdask.core.tables import CHUNK_STAGES
from hfdask.errors import MissingArtifactError, RenderCancelledError

pytestmark = pytest.mark.usefixtures("fake_browser")

# The square moves in frames 0 to 14, is gone at frame 15, and nothing happens after that.
HALF = """<div id="root" data-composition-id="c" data-width="160" data-height="90" data-duration="1" data-no-timeline>
<div class="clip" data-start="0" data-duration="0.5" style="animation:go 1s"></div></div>"""


@pytest.fixture
def video(project, tmp_path) -> hfdask.RenderResult:
    return hfdask.render(project(HALF), tmp_path / "a&b.mp4", chunk_size=10, plan_dir=tmp_path / "plan")


def test_a_chunk_is_a_flat_row_with_the_seconds_of_its_stages(video):
    rows = pd.DataFrame(video.to_rows()).set_index("chunk")
    assert list(rows.index) == [0, 1, 2]
    assert list(rows.start) == [0, 10, 20]
    assert list(rows.end) == [10, 20, 30]
    assert list(rows.frames) == [10, 10, 10]
    assert list(rows.static_frames) == [0, 4, 10]
    for chunk in video.chunks:
        assert set(chunk.stages) == set(CHUNK_STAGES)
        assert dict(rows.loc[chunk.index, list(CHUNK_STAGES)]) == chunk.stages
        assert rows.worker[chunk.index] == chunk.worker


def test_a_chunk_that_did_without_a_stage_has_no_seconds_of_it(video):
    chunk = msgspec.structs.replace(video.chunks[0], stages={"capture": 2.0})
    [row] = msgspec.structs.replace(video, chunks=(chunk,)).to_rows()
    assert [row[stage] for stage in CHUNK_STAGES] == [0.0, 0.0, 2.0, 0.0, 0.0]


def test_the_frame_record_says_which_frames_changed(video):
    records = [hfdask.frame_record(chunk) for chunk in video.chunks]
    assert [record.start for record in records] == [0, 10, 20]
    assert [moved for record in records for moved in record.damage] == [True] * 16 + [False] * 14
    assert sum(len(record.seconds) for record in records) == 30
    assert len({digest for record in records for digest in record.digests[-4:]}) == 5


def test_the_frame_record_of_a_temporary_plan_is_missing_and_the_error_says_what_to_do(project, tmp_path):
    chunk = hfdask.render(project(), tmp_path / "out.mp4").chunks[0]
    with pytest.raises(MissingArtifactError, match="render with a plan_dir to keep the chunks"):
        hfdask.frame_record(chunk)


def test_a_result_shows_its_facts_escaped_in_a_notebook(video):
    told = msgspec.structs.replace(video, warnings=("<script>\x1b[2J",), seams=(hfdask.Seam(frame=9, equal=False),))
    table = told._repr_html_()
    assert f"{Path(video.output).parent}/a&amp;b.mp4</div>" in table
    assert "30 at 30 a second, 14 of them static" in table
    assert "3, 0 of them reused" in table
    assert "1, 1 of them different: frames 9" in table
    assert "&lt;script&gt;␛[2J" in table
    assert "<script>" not in table
    assert f"{video.stages['capture']:.2f} s</td>" in table


@pytest.mark.slow
def test_a_render_shows_how_far_it_is_and_then_how_it_ended(project, tmp_path):
    with in_this_process() as client:
        done = hfdask.submit(project(HALF), tmp_path / "<b>.mp4", client=client, chunk_size=10)
        done.result(60)
        assert "&lt;b&gt;.mp4</b>" in done._repr_html_()
        assert "<div>done, 30 of 30 frames, 3 of 3 chunks" in done._repr_html_()
        stopped = hfdask.submit(project(SLOW), tmp_path / "slow.mp4", client=client)
        assert "cancelled" not in stopped._repr_html_()
        stopped.cancel()
        with pytest.raises(RenderCancelledError):
            stopped.result(60)
        assert "<div>failed, " in stopped._repr_html_()
        assert "was cancelled" in stopped._repr_html_()
