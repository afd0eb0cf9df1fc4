"""Manipulated plans and configurations: a typed error each, no other exception, and nothing rendered."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import BOX

import hfdask
import hfdask.rendering.pipeline
from hfdask import errors
from hfdask.core.model import canonical_json
from hfdask.store import object_name

pytestmark = pytest.mark.browser

Json = Any


class Rendered(Exception):
    """Raised instead of opening a page."""


def _no_browser() -> None:
    raise Rendered


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> hfdask.Plan:
    folder = tmp_path_factory.mktemp("poison")
    (folder / "p").mkdir()
    cdn = '<p>text</p><link rel="stylesheet" href="https://cdn.example/b.css">'
    (folder / "p" / "index.html").write_text(f"<!doctype html><html><body>{BOX}{cdn}</body></html>")
    (folder / "p" / "a.css").write_text("b { color: red }")
    (folder / "p" / "b.css").write_text("i { color: red }")
    replaced = {"https://cdn.example/": str(folder / "p")}
    return hfdask.plan(folder / "p", folder / "plan", chunk_size=10, replace_urls=replaced, variables={"a": ["b"]})


@pytest.fixture(scope="module")
def document(plan: hfdask.Plan) -> Json:
    return json.loads(Path(plan.url.removeprefix("file://"), "plan.json").read_bytes())


@pytest.fixture(autouse=True)
def _without_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hfdask.rendering.pipeline, "browser_thread", _no_browser)


def places(value: Json, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield above
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*above, key))


def changed(document: Json, place: tuple[Any, ...], value: Json) -> Json:
    copy = json.loads(json.dumps(document))
    if not place:
        return value
    at = copy
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    return copy


def sealed(document: Json) -> Json:
    """The document with the hash of what it is now, whatever types are in it."""
    content = {name: value for name, value in document.items() if name != "plan_hash"}
    return {**content, "plan_hash": hashlib.sha256(b"hfdask-plan\0" + canonical_json(content)).hexdigest()}


def attempt(plan: hfdask.Plan, document: Json, folder: Path) -> type[BaseException]:
    """Render chunk 0 of a plan with this manifest; the kind of error, and proof that nothing was written."""
    source = Path(plan.url.removeprefix("file://"))
    poisoned = folder / "plan"
    poisoned.mkdir(parents=True, exist_ok=True)
    if not (poisoned / "objects").exists():
        (poisoned / "objects").symlink_to(source / "objects")
    (poisoned / "plan.json").write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
    with pytest.raises((errors.HfdaskError, Rendered)) as caught:
        hfdask.render_chunk(poisoned, 0, folder / "out" / "0.mp4")
    assert not (folder / "out").exists() or not list((folder / "out").iterdir())
    return caught.type


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.sampled_from(
        ["../../etc/passwd", "/etc/passwd", "\0", "a" * 5000, "file:///etc/passwd", "0" * 64, 0, -1, 2**63]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
often = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])


@often
@given(data=st.data())
def test_any_change_of_a_manifest_is_found(data, plan, document, tmp_path):
    place = data.draw(st.sampled_from(list(places(document))))
    value = data.draw(anything)
    poisoned = changed(document, place, value)
    if poisoned != document:
        assert issubclass(attempt(plan, poisoned, tmp_path), errors.PlanError)


@often
@given(data=st.data())
def test_a_change_that_is_sealed_again_is_refused_or_a_plan_like_any_other(data, plan, document, tmp_path):
    place = data.draw(st.sampled_from([place for place in places(document) if place]))
    poisoned = changed(document, place, data.draw(anything))
    try:
        poisoned = sealed(poisoned)
    except (OverflowError, ValueError):
        return  # no JSON of ours has such a hash; the test before has these
    attempt(plan, poisoned, tmp_path)


@often
@given(junk=st.binary(max_size=200) | anything.map(lambda value: json.dumps(value).encode()))
def test_junk_is_no_plan(junk, plan, tmp_path):
    assert issubclass(attempt(plan, junk, tmp_path), errors.PlanError)


def _deep(levels: int) -> Json:
    value: Json = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("encoder", "options", "x264-params"), "stats=/tmp/stolen:pass=1"),
        (("encoder", "options", "crf"), "99"),
        (("encoder", "options"), {"preset": "medium", "crf": "18", "x264-params": "", "report": "1"}),
        (("encoder", "codec"), "rawvideo"),
        (("encoder", "threads"), 4096),
        (("encoder", "timescale"), 7),
        (("encoder", "container"), "tee"),
        (("entry",), "../secret.html"),
        (("entry",), "http://example.com/"),
        (("width",), 99999),
        (("page", "width"), 3),
        (("page", "load_timeout"), 1e9),
        (("page", "capture_mode"), "camera"),
        (("fps", "num"), 100000),
        (("fps", "den"), 0),
        (("frames",), 10**12),
        (("chunks", 0, "start"), -5),
        (("chunks", 0, "end"), 10**9),
        (("chunks",), []),
        (("artifacts", 0, "sha256"), "../../../etc/passwd"),
        (("artifacts", 0, "size"), -1),
        (("environment", "browser"), "1.2.3.4"),
        (
            ("environment",),
            {"platform": "1", "browser": "1", "pyav": "1", "ffmpeg": "1", "runtime": "1", "LD_PRELOAD": "x.so"},
        ),
        (("chunks", 0, "key"), "../../x"),
        (("chunks", 0, "key"), ""),
        (("artifacts", 0, "sha256"), "a" * 64 + "\n"),
        (("artifacts", 0, "path"), "/etc/passwd"),
        (("artifacts", 1, "path"), "./a.css"),
        (("fonts", "files", 0, "name"), "/home/somebody/.bashrc"),
        (("fonts", "files", 0, "name"), "../../../x"),
        (("fonts", "files", 0, "name"), ".."),
        (("fonts", "files", 0, "name"), "x.ttf\n"),
        (
            ("fonts", "files"),
            [{"name": "a.ttf", "sha256": "0" * 64, "size": 1, "family": "", "style": "", "canonical": True}],
        ),
        (
            ("fonts", "files"),
            [{"name": "a.ttf", "sha256": "0" * 64, "size": 1, "family": "", "style": "", "canonical": False}] * 2,
        ),
        (("fonts", "files", 0, "sha256"), "/etc/passwd"),
        (("fonts", "files", 0, "size"), -1),
        (("fonts", "stand_ins"), {"a\0": "b"}),
        (("fonts", "stand_ins"), {"a": "b\x1b"}),
        (("page", "variables"), {"n": 2**64}),
        (("page", "variables"), {"n": _deep(100)}),
        (("resources", 0, "url"), "file:///etc/passwd"),
        (("resources", 0, "url"), "https://cdn.example/\r\nX: y"),
        (("resources", 0, "url"), "https://*/"),
        (("resources", 0, "headers"), {"set-cookie": "a=b"}),
        (("resources", 0, "headers"), {"content-type": "text/css\r\nset-cookie: a=b"}),
        (("resources", 0, "method"), "TRACE"),
        (("resources", 0, "status"), 999),
        (("resources", 0, "sha256"), "/etc/passwd"),
    ],
)
def test_hostile_values_are_refused_even_when_sealed_again(place, value, plan, document, tmp_path):
    poisoned = changed(document, place, value)
    with contextlib.suppress(OverflowError):  # numbers that are in no JSON of ours: as it is
        poisoned = sealed(poisoned)
    assert issubclass(attempt(plan, poisoned, tmp_path), errors.PlanError)


@pytest.mark.parametrize("how", ["gone", "empty", "truncated", "changed"])
@pytest.mark.parametrize("which", [0, 1])
def test_every_artifact_that_is_not_as_planned_is_found(how, which, plan, document, tmp_path):
    copy = tmp_path / "plan"
    shutil.copytree(plan.url.removeprefix("file://"), copy)
    file = copy / object_name(document["artifacts"][which]["sha256"])
    content = file.read_bytes()
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes({"empty": b"", "truncated": content[:-1], "changed": content[:-1] + b"\0"}[how])
    with pytest.raises((errors.MissingArtifactError, errors.ArtifactDigestError)):
        hfdask.render_chunk(copy, 0, tmp_path / "out" / "0.mp4")
    assert not (tmp_path / "out").exists()


@often
@given(
    config=st.dictionaries(
        st.sampled_from([*hfdask.RenderConfig.__dataclass_fields__, "colour", "__class__"]), anything, max_size=4
    )
)
def test_a_configuration_is_right_or_a_typed_error(config):
    with contextlib.suppress(errors.InvalidConfigError):
        hfdask.RenderConfig.of(config)
