"""Every field of every stored document with hostile values: a typed error or no harm, and no file but ours is touched.

There is no browser here: the attempt ends instead of opening a page. All that a document can do to a worker's files it
has done by then, because fonts are written and objects are fetched before.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import fsspec
import msgspec
import pytest
from document_samples import CONTENTS, DIGEST, ENVIRONMENT, FRAME, manifest, sha256
from watched_files import watched

import hfdask.rendering.chunk
import hfdask.rendering.pipeline
from hfdask import errors
from hfdask.assembly.certificate import Certificate, CertifiedChunk
from hfdask.config import RenderConfig
from hfdask.core.model import Manifest, Rate, Sweep, canonical_json, decode
from hfdask.core.results import ChunkResult, FrameRecord, Seam
from hfdask.core.scratch import scratch_folder
from hfdask.manifest.records import read_frames, read_record
from hfdask.network.record import replacements
from hfdask.project.files import Project
from hfdask.project.settings import with_project_file
from hfdask.rendering import verify
from hfdask.store import Snapshot, Store

Json = Any


class Opened(Exception):
    """Raised instead of opening a page."""


def _no_browser() -> None:
    raise Opened


RECORD = FrameRecord(
    key=DIGEST, start=0, digests=(FRAME,) * 10, damage=(True,) * 10, seconds=(0.1,) * 10, messages=("said",)
)
RESULT = ChunkResult(
    plan_hash=DIGEST,
    key=DIGEST,
    index=0,
    start=0,
    end=10,
    url="memory://somewhere/0.mp4",
    sha256=DIGEST,
    size=5,
    codec="libx264",
    capture_mode="beginframe",
    digest=FRAME,
    before_digest=FRAME,
    last_digest=FRAME,
    static_frames=3,
    stages={"capture": 0.5},
    warm=False,
    worker="host:1",
    browser="1.2",
    messages=1,
)
SWEEP = Sweep(
    plan_hash=DIGEST, frames=(0, 5), moved=(True, False), damage=(None, True), pictures=(None, 10), seconds=(0.1, 0.2)
)
CERTIFICATE = Certificate(
    video="v.mp4",
    sha256=sha256(b"video"),
    size=5,
    plan_url="memory://nowhere",
    plan_hash=DIGEST,
    environment=ENVIRONMENT,
    fps=Rate(num=30, den=1),
    width=160,
    height=90,
    digest=FRAME,
    frame_digests=(FRAME,) * 3,
    chunks=(
        CertifiedChunk(
            index=0,
            start=0,
            end=3,
            digest=FRAME,
            sha256=DIGEST,
            worker="host:1",
            attempt=0,
            capture_mode="beginframe",
            static_frames=0,
        ),
    ),
    seams=(Seam(frame=2, equal=False, psnr=40.0),),
)
TOML = {
    "fps": "30000/1001",
    "quality": "draft",
    "bitrate": "8M",
    "entry": "index.html",
    "capture": "auto",
    "page_errors": "warn",
    "check": "report",
    "fonts": "embed",
    "load_timeout": 5.0,
    "chunk_size": 5,
    "variables": {"title": "text", "list": ["a"]},
    "replace_urls": {"https://cdn.example/": "vendor"},
}


def hostile(canary: Path) -> list[Json]:
    """Return values that an attacker would write for a string."""
    up = "../" * 12
    return [
        str(canary / "secret"),
        f"{up}{canary / 'secret'}".replace("//", "/"),
        f"file://{canary}/secret",
        f"a/{up}{canary}/secret",
        f"..%2f..%2f{canary}",
        f"{DIGEST}\n",
        f"{DIGEST}/../../{canary}/secret",
        "a" * 63 + "\u0661",
        "A" * 64,
        "..",
        ".",
        "",
        "/",
        "~/.ssh/authorized_keys",
        "$HOME/x",
        "-rf",
        "a\0b",
        "a\nb: c\r\n\r\nd",
        "\x1b[2J",
        "\ufffe",
        "\u202etxt",
        "x" * 300,
        "x" * 100_000,
        "http://127.0.0.1:1/",
        "http://h\uff0ee/\r\nX: y",
        "memory://x/../y",
        "simplecache::s3://b/c",
        "</string><dir>/</dir>",
        "stats=/tmp/x:pass=1",
        None,
        True,
        -1,
        2**31,
        2**63,
        2**70,
        1e300,
        [],
        {},
        ["x"] * 12_000,
        _deep(100),
    ]


def _deep(levels: int) -> Json:
    value: Json = "x"
    for _ in range(levels):
        value = [value]
    return value


RAW = [b'"\\ud800"', b'"\\udc00x"', b'"\xff"', b"[" * 100_000, b"{" * 5000, b"1" * 5000, b"1e999", b"NaN", b'"\\u0000"']
"""JSON that hfdask's encoders never write."""


def places(value: Json, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every value that is inside of a document, and every key of an object (after None)."""
    items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    for key, item in items[:3] if isinstance(value, list) else items:
        if isinstance(value, dict) and above:
            yield (*above, None, key)
        yield (*above, key)
        yield from places(item, (*above, key))


def changed(document: Json, place: tuple[Any, ...], value: Json) -> Json | None:
    """The document with another value, or key, at a place; None for a key that cannot be."""
    copy = json.loads(json.dumps(document))
    *above, last = place
    if above and above[-1] is None:
        if not isinstance(value, str):
            return None
        at = _at(copy, above[:-1])
        at[value] = at.pop(last)
    else:
        _at(copy, above)[last] = value
    return copy


def _at(document: Json, place: list[Any]) -> Json:
    for key in place:
        document = document[key]
    return document


def variants(document: Json, canary: Path, seal: Callable[[Json], Json] = lambda same: same) -> Iterator[bytes]:
    """The JSON of a document with each hostile value in each place, sealed again if possible."""
    marker, document = "@@@", json.loads(json.dumps(document))  # of lists, not of tuples
    for place in places(document):
        for value in hostile(canary):
            spoilt = changed(document, place, value)
            if spoilt is None:
                continue
            with contextlib.suppress(ValueError, OverflowError, RecursionError):  # no hash of ours: as it is
                spoilt = seal(spoilt)
            yield json.dumps(spoilt).encode()
        for raw in RAW:
            if (spoilt := changed(document, place, marker)) is not None:
                yield json.dumps(spoilt).encode().replace(f'"{marker}"'.encode(), raw)


def resealed(document: Json) -> Json:
    content = {name: value for name, value in document.items() if name != "plan_hash"}
    return {**content, "plan_hash": hashlib.sha256(b"hfdask-plan\0" + canonical_json(content)).hexdigest()}


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A folder that nothing may look into; its secret has the size of the plan's font, and its plan is none."""
    folder = tmp_path / "canary"
    folder.mkdir()
    (folder / "secret").write_bytes(b"mine")
    (folder / "index.html").write_text("mine")
    return folder


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HFDASK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hfdask.rendering.pipeline, "browser_thread", _no_browser)
    for module in (hfdask.rendering.chunk, verify):
        monkeypatch.setattr(module, "require_environment", lambda planned: None)


def attempt(
    call: Callable[[], object], tmp_path: Path, canary: Path, looked_for: str = ""
) -> type[BaseException] | None:
    """Make a call that may end with a typed error, and see that it touches nothing that is not its own.

    Only files of the name that may be ``looked_for`` anywhere are opened elsewhere.
    """
    ended: type[BaseException] | None = None
    with watched() as seen:
        try:
            call()
        except (errors.HfdaskError, Opened) as error:
            ended = type(error)
    assert {os.path.basename(path) for path in seen.reads_below(canary, "/etc/passwd")} <= {looked_for}
    assert not seen.changes_outside(tmp_path / "plan", tmp_path / "out", tmp_path / "cache", scratch_folder(), "/dev")
    assert sorted(os.listdir(canary)) == ["index.html", "secret"]
    return ended


def published(url: str) -> Store:
    store = Store(url)
    with Snapshot(store) as snapshot:
        snapshot.add_all(CONTENTS.values())
        snapshot.publish(manifest().objects)
    return store


@pytest.mark.slow
@pytest.mark.parametrize("step", [293, 1])
@pytest.mark.parametrize("where", ["local", "memory"])
def test_manifest(where, step, tmp_path, canary):
    url = str(tmp_path / "plan") if where == "local" else f"memory://{uuid.uuid4().hex}"
    store = published(url)
    document = msgspec.to_builtins(manifest())
    ends: set[type[BaseException] | None] = set()
    for data in islice(variants(document, canary, resealed), step // 2, None, step):
        if where == "local":
            (tmp_path / "plan" / "plan.json").write_bytes(data)
        else:
            fsspec.filesystem("memory").pipe_file(f"{store.path}/plan.json", data)
        ends.add(attempt(lambda: hfdask.render_chunk(url, 0, tmp_path / "out" / "0.mp4"), tmp_path, canary))
    assert {Opened, errors.PlanCorruptError} <= ends  # harmless texts go as far as the page
    assert None not in ends


def test_manifest_as_it_is_goes_as_far_as_the_page(tmp_path, canary):
    store = published(str(tmp_path / "plan"))
    store.put("plan.json", canonical_json(manifest()))
    call = lambda: hfdask.render_chunk(tmp_path / "plan", 0, tmp_path / "out" / "0.mp4")  # noqa: E731
    assert attempt(call, tmp_path, canary) is Opened


@pytest.mark.slow
def test_records_of_a_chunk(tmp_path, canary):
    store = Store(tmp_path / "out")
    for kind, suffix, read in ((RESULT, ".json", read_record), (RECORD, ".frames.json", read_frames)):
        ends = set()
        for data in islice(variants(msgspec.to_builtins(kind), canary), 0, None, 3):
            store.put("0.mp4" + suffix, data)
            ends.add(attempt(lambda read=read: read(store, "0.mp4"), tmp_path, canary))
        assert ends == {None, errors.PlanCorruptError}


def test_a_record_is_where_it_was_found_whatever_it_says(tmp_path):
    store = Store(tmp_path)
    for url in ("file:///etc/passwd", "s3://other/bucket.mp4", "", "../0.mp4"):
        store.put("0.mp4.json", canonical_json(msgspec.structs.replace(RESULT, url=url)))
        assert read_record(store, "0.mp4").url == f"file://{tmp_path}/0.mp4"


@pytest.mark.parametrize(
    "change",
    [
        {"end": 0},
        {"start": 10},
        {"static_frames": 11},
        {"checked": 11},
        {"end": 2**60},
        {"stages": {"a": float("1e10")}},
    ],
)
def test_records_that_contradict_themselves(change):
    document = {**msgspec.to_builtins(RESULT), **change}
    with pytest.raises(errors.PlanCorruptError):
        decode(json.dumps(document).encode(), ChunkResult, "record")


@pytest.mark.parametrize("kind", [RECORD, SWEEP])
@pytest.mark.parametrize("name", ["digests", "frames", "damage", "seconds", "moved"])
def test_lists_of_different_lengths(kind, name):
    document = msgspec.to_builtins(kind)
    if name not in document:
        return
    document[name] = document[name][:-1]
    with pytest.raises(errors.PlanCorruptError):
        decode(json.dumps(document).encode(), type(kind), "record")


def test_sweep(tmp_path, canary):
    for data in variants(msgspec.to_builtins(SWEEP), canary):
        assert attempt(lambda data=data: decode(data, Sweep, "sweep"), tmp_path, canary) in (
            None,
            errors.PlanCorruptError,
        )


@pytest.mark.slow
def test_certificate(tmp_path, canary):
    """Its ``plan_url`` is the only URL that it can make `verify` read."""
    store = Store(tmp_path / "out")
    store.put("v.mp4", b"video")
    ends = set()
    for data in islice(variants(msgspec.to_builtins(CERTIFICATE), canary), 0, None, 7):
        store.put("v.mp4.certificate.json", data)
        ends.add(attempt(lambda: hfdask.verify(tmp_path / "out" / "v.mp4"), tmp_path, canary, "plan.json"))
    assert None not in ends
    assert errors.PlanCorruptError in ends


@pytest.mark.slow
def test_project_file(tmp_path, canary):
    folder = tmp_path / "plan"
    (folder / "vendor").mkdir(parents=True)
    (folder / "index.html").write_text("x")
    ends = set()

    def use() -> None:
        options = RenderConfig.of(with_project_file(folder, {}))
        Project.find(folder, options.entry)
        for each in replacements(options.replace_urls):
            assert Path(each.target).is_relative_to(folder) or each.remote
            with pytest.raises(errors.AssetError):
                each.file("../../canary/secret") if not each.remote else each.file("nothing")

    for text in islice(toml_variants(canary), 0, None, 2):
        (folder / "hfdask.toml").write_bytes(text)
        ends.add(attempt(use, tmp_path, canary))
    assert None in ends
    assert errors.InvalidConfigError in ends


def toml_variants(canary: Path) -> Iterator[bytes]:
    for place in places(TOML, ("render",)):
        for value in hostile(canary):
            spoilt = changed({"render": TOML}, place, value)
            if spoilt is not None and (text := toml(spoilt["render"])) is not None:
                yield text
    yield from (
        b"[render]\nvariables = " + raw for raw in (b"[" * 50_000, b"{a=" * 5000, b"9" * 5000, b"1979-05-27", b"nan")
    )
    yield from (b"\xff", b"\0", b"a" * 2_000_000, b"[render]\nfps = '" + b"1" * 100_000 + b"'", b"[[render]]\n")


def toml(table: Json) -> bytes | None:
    """TOML has JSON's strings and numbers, and inline tables."""

    def inline(value: Json) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{json.dumps(key)} = {inline(item)}" for key, item in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(inline, value)) + "]"
        return repr(value) if isinstance(value, float) else json.dumps(value).replace("\x7f", "\\u007f")

    if "null" in (text := "\n".join(f"{json.dumps(key)} = {inline(value)}" for key, value in table.items())):
        return None
    return f"[render]\n{text}\n".encode()


@pytest.mark.parametrize("raw", RAW)
@pytest.mark.parametrize("kind", [Manifest, FrameRecord, ChunkResult, Certificate, Sweep])
def test_what_is_no_document(raw, kind):
    for data in (raw, b'{"protocol": ' + raw + b"}", b"", b"null", b"[]", b"\xef\xbb\xbf{}"):
        with pytest.raises(errors.PlanCorruptError):
            decode(data, kind, "document")


def test_no_document_is_read_beyond_its_limit(tmp_path):
    with (tmp_path / "plan.json").open("wb") as file:
        file.truncate(2**40)  # a hole, which takes no room
    with pytest.raises(errors.PlanCorruptError):
        hfdask.Plan.open(tmp_path)
    os.mkfifo(tmp_path / "0.mp4.json")  # no process has its other end
    (tmp_path / "1.mp4.json").mkdir()
    (tmp_path / "2.mp4.json").symlink_to("/dev/zero")
    for name in ("0.mp4", "1.mp4", "2.mp4"):
        with pytest.raises(errors.StoreRefusedError):
            read_record(Store(tmp_path), name)
