"""Assembly: its errors and warnings, and that nothing unverified gets the output's name."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import msgspec
import pytest
from samples import BOX

import hfdask
from hfdask import errors
from hfdask.core.model import pretty_json
from hfdask.core.results import ChunkResult

pytestmark = pytest.mark.usefixtures("fake_browser")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> tuple[hfdask.Plan, list[ChunkResult]]:
    folder = tmp_path_factory.mktemp("assemble")
    (folder / "project").mkdir()
    (folder / "project" / "index.html").write_text(f"<body>{BOX}</body>")
    plan = hfdask.plan(folder / "project", folder / "plan", chunk_size=10)
    return plan, [hfdask.render_chunk(plan.url, i, folder / "chunks" / f"{i}.mp4") for i in range(3)]


def assemble(plan: hfdask.Plan, chunks: list, output: Path, error: type[errors.HfdaskError], **options):
    with pytest.raises(error) as caught:
        hfdask.assemble(plan.url, chunks, output, **options)
    assert not output.parent.is_dir() or not list(output.parent.iterdir())
    return caught.value


def test_order_does_not_matter_and_urls_will_do(rendered, tmp_path):
    plan, chunks = rendered
    first = hfdask.assemble(plan.url, chunks, tmp_path / "a.mp4")
    second = hfdask.assemble(plan.url, [chunk.url for chunk in reversed(chunks)], tmp_path / "b.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert [chunk.index for chunk in second.chunks] == [0, 1, 2]
    assert all(seam.equal for seam in first.seams)
    assert [seam.frame for seam in first.seams] == [9, 19]
    assert list(tmp_path.iterdir()) == [tmp_path / "a.mp4", tmp_path / "b.mp4"] or len(list(tmp_path.iterdir())) == 2


def test_every_frame_is_at_its_time(rendered, tmp_path):
    plan, chunks = rendered
    hfdask.assemble(plan.url, chunks, tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as container:
        video = container.streams.video[0]
        frames = list(container.decode(video))
        assert [frame.pts * frame.time_base for frame in frames] == [Fraction(i, 30) for i in range(30)]
        assert [i for i, frame in enumerate(frames) if frame.key_frame] == [0, 10, 20]
        assert video.average_rate == video.guessed_rate == 30
        assert container.metadata["comment"] == f"hfdask plan {plan.hash}"


def test_a_missing_chunk(rendered, tmp_path):
    plan, chunks = rendered
    error = assemble(plan, [chunks[0], chunks[2]], tmp_path / "o" / "a.mp4", errors.ChunkMissingError)
    assert error.details["missing"] == [1]
    assemble(plan, [], tmp_path / "o" / "a.mp4", errors.ChunkMissingError)
    assemble(plan, [*chunks[:2], str(tmp_path / "x.mp4")], tmp_path / "o" / "a.mp4", errors.ChunkMissingError)


def test_a_chunk_too_many(rendered, tmp_path):
    plan, chunks = rendered
    assemble(plan, [*chunks, chunks[1]], tmp_path / "o" / "a.mp4", errors.ChunkMismatchError)


@pytest.mark.parametrize(
    "change",
    [
        {"plan_hash": "0" * 64},
        {"end": 19},
        {"codec": "libx265"},
        {"capture_mode": "screenshot"},
        {"browser": "1.2.3.4"},
        {"sha256": "0" * 64},
        {"digest": "0" * 32},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_chunk_that_is_another(change, rendered, tmp_path):
    plan, chunks = rendered
    other = msgspec.structs.replace(chunks[1], **change)
    error = assemble(plan, [chunks[0], other, chunks[2]], tmp_path / "o" / "a.mp4", errors.ChunkMismatchError)
    assert "chunk 1" in error.message


def copy(chunk: ChunkResult, folder: Path, **change) -> ChunkResult:
    folder.mkdir(exist_ok=True)
    source = Path(chunk.url.removeprefix("file://"))
    for file in source.parent.glob(f"{source.name}*"):
        (folder / file.name).write_bytes(file.read_bytes())
    moved = msgspec.structs.replace(chunk, url=f"file://{folder}/{source.name}", **change)
    (folder / f"{source.name}.json").write_bytes(pretty_json(moved))
    return moved


def test_a_damaged_chunk_file(rendered, tmp_path):
    plan, chunks = rendered
    moved = copy(chunks[1], tmp_path / "c")
    path = Path(moved.url.removeprefix("file://"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assemble(plan, [chunks[0], moved, chunks[2]], tmp_path / "o" / "a.mp4", errors.ChunkMismatchError)
    path.unlink()
    assemble(plan, [chunks[0], moved, chunks[2]], tmp_path / "o" / "a.mp4", errors.ChunkMissingError)


def test_a_seam_that_differs_is_a_warning_or_an_error(rendered, tmp_path):
    plan, chunks = rendered
    moved = copy(chunks[1], tmp_path / "c", before_digest="0" * 32)
    picture = Path(moved.url.removeprefix("file://") + ".before.png")
    picture.write_bytes(Path(chunks[2].url.removeprefix("file://") + ".before.png").read_bytes())
    video = hfdask.assemble(plan.url, [chunks[0], moved, chunks[2]], tmp_path / "a.mp4")
    assert [seam.equal for seam in video.seams] == [False, True]
    assert 5 < video.seams[0].psnr < 40
    assert any("frame 9 was rendered differently" in warning for warning in video.warnings)
    error = assemble(plan, [chunks[0], moved, chunks[2]], tmp_path / "o" / "b.mp4", errors.SeamError, strict=True)
    assert error.details["frames"] == [9]


@pytest.mark.browser
@pytest.mark.slow
def test_a_page_that_keeps_state_is_found_out(project, tmp_path):
    script = "let n = 0; addEventListener('hf-seek', () => { document.querySelector('.clip').style.width = 10 + 5 * n++ + 'px' })"
    source = project(BOX + f"<script>{script}</script>")
    with pytest.raises(errors.SeamError):
        hfdask.render(source, tmp_path / "out.mp4", chunk_size=10, strict=True)
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("fps", ["1", "24", "30000/1001", "60", "240"])
def test_any_rate_and_chunk_length(fps, project, tmp_path):
    html = BOX.replace('data-duration="1"', 'data-duration="0.7"') if fps == "240" else BOX
    result = hfdask.render(project(html), tmp_path / "out.mp4", fps=fps, chunk_size=13)
    with av.open(str(tmp_path / "out.mp4")) as container:
        times = [p.pts * p.time_base for p in container.demux(video=0) if p.size]
    assert times == [i / Fraction(fps) for i in range(result.frames)]


def test_an_existing_output_survives_a_failed_assembly(rendered, tmp_path):
    plan, chunks = rendered
    (tmp_path / "a.mp4").write_text("old")
    with pytest.raises(errors.ChunkMissingError):
        hfdask.assemble(plan.url, chunks[:1], tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4").read_text() == "old"
