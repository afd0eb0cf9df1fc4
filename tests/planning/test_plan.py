"""Plans: the software that they lock, the checks before a chunk is rendered, and tampering."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from samples import BOX

import hfdask
from hfdask import errors
from hfdask.core.model import PROTOCOL, Manifest, canonical_json, decode, pretty_json
from hfdask.project.files import Project

pytestmark = pytest.mark.usefixtures("fake_browser")


@pytest.fixture
def plan(project, tmp_path) -> hfdask.Plan:
    return hfdask.plan(project(), tmp_path / "plan", chunk_size=10)


def chunk(plan: hfdask.Plan, index: object = 0) -> hfdask.ChunkResult:
    return hfdask.render_chunk(plan.url, index, plan.url + "/out.mp4")  # type: ignore[arg-type]


def rewrite(plan: hfdask.Plan, **changes: object) -> None:
    """Change fields of the stored manifest and leave the hash as it was."""
    path = Path(plan.url.removeprefix("file://")) / "plan.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def reseal(plan: hfdask.Plan, **changes: object) -> None:
    """Change fields of the stored manifest and give it the hash that fits."""
    path = Path(plan.url.removeprefix("file://")) / "plan.json"
    manifest = msgspec.structs.replace(decode(path.read_bytes(), Manifest, "plan"), **changes)
    path.write_bytes(pretty_json(manifest.sealed()))


def test_planning_twice_gives_the_same_bytes(project, tmp_path):
    source = project(BOX, **{"assets/a.txt": "a"})
    first, second = (hfdask.plan(source, tmp_path / name) for name in "ab")
    assert (tmp_path / "a/plan.json").read_bytes() == (tmp_path / "b/plan.json").read_bytes()
    assert first.hash == second.hash == hfdask.Plan.open(first.url).hash


@pytest.mark.slow
def test_the_hash_covers_everything(project, tmp_path):
    base = {"html": BOX, "files": {"a.txt": "a"}, "options": {}}
    variants = [
        base,
        {**base, "html": BOX.replace("#c33", "#c34")},
        {**base, "files": {"a.txt": "b"}},
        {**base, "files": {"b.txt": "a"}},
        {**base, "options": {"fps": 25}},
        {**base, "options": {"crf": 20}},
        {**base, "options": {"quality": "draft"}},
        {**base, "options": {"chunk_size": 7}},
        {**base, "options": {"variables": {"x": 1}}},
        {**base, "options": {"page_errors": "warn"}},
    ]
    hashes = set()
    for number, variant in enumerate(variants):
        folder = project(variant["html"], **variant["files"])
        hashes.add(hfdask.plan(folder, tmp_path / str(number), **variant["options"]).hash)
        for name in variant["files"]:
            (folder / name).unlink()
    assert len(hashes) == len(variants)


def test_a_plan_says_what_was_resolved(project, tmp_path):
    plan = hfdask.plan(project(BOX.replace("<div id", '<div data-fps="24" id')), tmp_path / "plan")
    manifest = plan.manifest
    assert (manifest.frames, str(manifest.fps), manifest.width, manifest.height) == (24, "24", 160, 90)
    assert manifest.timeline.duration_source == "data-duration"
    assert manifest.timeline.adapters == ("css",)
    assert [(clip.start, clip.end, clip.tag) for clip in manifest.timeline.clips] == [(0.0, 1.0, "div")]
    assert "24 frames of 160x90" in repr(plan)
    assert {*plan.stages} == {"check", "compile", "probe", "sweep", "freeze"}


def test_an_option_wins_over_the_page(project, tmp_path):
    source = project(BOX.replace("<div id", '<div data-fps="24" id'))
    assert hfdask.plan(source, tmp_path / "a", fps="30000/1001").manifest.frames == 30
    assert hfdask.plan(project(BOX.replace("<div id", '<div data-fps="x" id')), tmp_path / "b").manifest.frames == 30


def test_a_document_can_be_named(project, tmp_path):
    source = project()
    (source / "other.html").write_text((source / "index.html").read_text().replace('"90"', '"100"'))
    assert hfdask.plan(source / "other.html", tmp_path / "a").manifest.height == 100
    assert hfdask.plan(source, tmp_path / "b", entry="other.html").manifest.height == 100


def test_links_inside_a_project_are_followed(project):
    source = project(BOX, **{"assets/deep/a.txt": "a"})
    (source / "link").symlink_to("assets/deep")
    (source / "assets" / "loop").symlink_to("..")
    (source / "out").symlink_to(source.parent)
    names = [name for name, _ in Project.find(source, "index.html").files()]
    assert names == ["assets/deep/a.txt", "index.html", "link/a.txt"]


def test_no_plan(tmp_path):
    with pytest.raises(errors.MissingArtifactError):
        hfdask.render_chunk(tmp_path, 0, tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "{}" + "\0", '{"protocol": {}}'])
def test_a_manifest_that_is_none(text, plan):
    Path(plan.url.removeprefix("file://"), "plan.json").write_text(text)
    with pytest.raises((errors.PlanCorruptError, errors.ProtocolError)):
        chunk(plan)


@pytest.mark.parametrize("protocol", [0, PROTOCOL - 1, PROTOCOL + 1, "2", None, 2.5])
def test_another_protocol(protocol, plan):
    rewrite(plan, protocol=protocol)
    with pytest.raises(errors.ProtocolError):
        chunk(plan)


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1},
        {"frames": "30"},
        {"frames": 29},
        {"chunks": []},
        {"chunks": [{"index": 0, "start": 5, "end": 30}]},
        {"chunks": [{"index": 0, "start": 0, "end": 0}, {"index": 1, "start": 0, "end": 30}]},
        {"fps": {"num": 1, "den": 0}},
        {"fps": {"num": 1000, "den": 1}},
        {"artifacts": None},
    ],
    ids=str,
)
def test_a_manifest_that_makes_no_sense(change, plan):
    rewrite(plan, **change)
    with pytest.raises(errors.PlanCorruptError):
        chunk(plan)


@pytest.mark.parametrize("name", [f for f in Manifest.__struct_fields__ if f not in ("protocol", "plan_hash")])
def test_every_field_is_sealed(name, plan):
    path = Path(plan.url.removeprefix("file://")) / "plan.json"
    document = json.loads(path.read_text())
    document[name] = tampered(name, document[name])
    path.write_text(json.dumps(document))
    with pytest.raises((errors.PlanHashError, errors.PlanCorruptError, errors.EnvironmentMismatchError)):
        chunk(plan)
    with pytest.raises((errors.PlanHashError, errors.PlanCorruptError)):
        hfdask.Plan.open(plan.url)


def tampered(name, value):
    if isinstance(value, dict):
        key = next(iter(value))
        return {**value, key: tampered(key, value[key])}
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    return value[:-1] if value else ["x"]


@pytest.mark.parametrize("index", [-1, 3, 10**9, True, "0", 1.0, None])
def test_a_chunk_index_out_of_range(index, plan):
    rewrite(plan, warnings=["x"])  # the index is checked before the hash
    with pytest.raises(errors.ChunkIndexError):
        chunk(plan, index)


@pytest.mark.parametrize("field", ["platform", "browser", "pyav", "ffmpeg", "runtime"])
def test_another_environment(field, plan):
    environment = msgspec.structs.replace(plan.manifest.environment, **{field: "other"})
    reseal(plan, environment=environment)
    with pytest.raises(errors.EnvironmentMismatchError) as caught:
        chunk(plan)
    assert list(caught.value.details["differences"]) == [field]
    assert not caught.value.retryable


def test_a_changed_object(plan):
    artifact = next(a for a in plan.manifest.artifacts if a.path == "index.html")
    path = Path(plan.url.removeprefix("file://")) / "objects" / artifact.sha256[:2] / artifact.sha256
    path.write_text(path.read_text().replace("#c33", "#3c3"))
    with pytest.raises(errors.ArtifactDigestError, match=r"index\.html"):
        chunk(plan)


def test_a_missing_object(plan):
    artifact = plan.manifest.artifacts[0]
    (Path(plan.url.removeprefix("file://")) / "objects" / artifact.sha256[:2] / artifact.sha256).unlink()
    with pytest.raises(errors.MissingArtifactError) as caught:
        chunk(plan)
    assert caught.value.retryable


def test_a_plan_is_self_contained(project, tmp_path):
    source = project()
    plan = hfdask.plan(source, tmp_path / "plan", chunk_size=10)
    first = chunk(plan)
    (source / "index.html").unlink()
    (tmp_path / "plan").rename(tmp_path / "moved")
    moved = hfdask.Plan.open(tmp_path / "moved")
    assert hfdask.render_chunk(moved.url, 0, tmp_path / "b.mp4").sha256 == first.sha256


@pytest.mark.browser
def test_variables_reach_the_page(project, tmp_path):
    html = BOX.replace("<div id", """<div data-composition-variables='[{"id":"w","type":"number","default":1}]' id""")
    html += "<script>document.querySelector('.clip').style.width = __hyperframes.getVariables().w + 'px'</script>"
    source = project(html)

    def digest(values: dict[str, int]) -> str:
        plan = hfdask.plan(source, tmp_path / f"plan{values}", variables=values, fps=5, chunk_size=5)
        return hfdask.render_chunk(plan.url, 0, tmp_path / f"{values}.mp4").digest

    assert digest({}) == digest({"w": 1}) != digest({"w": 70})


def test_screenshot_mode_is_locked_and_the_same_for_all_chunks(project, tmp_path):
    source = project()
    plan = hfdask.plan(source, tmp_path / "plan", chunk_size=10, capture="screenshot")
    assert plan.manifest.page.capture_mode == "screenshot"
    chunks = [hfdask.render_chunk(plan.url, i, tmp_path / f"{i}.mp4") for i in range(3)]
    assert {chunk.capture_mode for chunk in chunks} == {"screenshot"}
    shot = hfdask.assemble(plan.url, chunks, tmp_path / "a.mp4", strict=True)
    frame = hfdask.render(source, tmp_path / "b.mp4", chunk_size=10, capture="beginframe")
    assert hfdask.compare(tmp_path / "a.mp4", tmp_path / "b.mp4").mean_psnr > 40
    assert shot.frames == frame.frames


def test_canonical_json_is_stable_and_finite():
    assert canonical_json({"b": 1, "a": [1.5, "é"]}) == '{"a":[1.5,"é"],"b":1}'.encode()
    with pytest.raises(ValueError, match="nan"):
        canonical_json({"a": float("nan")})
