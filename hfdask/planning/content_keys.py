"""Content keys: a digest of every input that can affect a chunk's frames.

Chunks with the same key show the same pictures, as far as the project's text shows. So a finished chunk of an earlier
version of a project is reused if a chunk of the new plan has its key. These inputs affect a chunk:

- the settings: range of frames, size, rate, encoder, way of capture, environment, fonts;
- the entry document without its clips and sounds, but with all of its scripts and styles;
- the clips whose windows meet its frames, and the sub-compositions that are mounted in such windows;
- the times of sounds that scripts have read;
- the sources of videos that its frames show, and what these clips play of them; of all videos, the size;
- files, recorded resources and variables whose names occur in a text that affects it;
- files whose names occur nowhere, in a folder from which the page asked for such a file: if the name of the folder
  occurs in such a text. If it occurs nowhere, they affect every chunk.

A script that puts a name together, or looks into another clip, can hide what it depends on. So a key alone is never
enough: some frames of a chunk from another plan are captured again before it is used (`hfdask.rendering.reuse`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Struct, field

from hfdask.core.frames import frame_time
from hfdask.core.model import Artifact, ChunkRange, Manifest, PageParts, Resource, Window, canonical_json
from hfdask.core.video_clip import frames_of

MAX_TEXT = 2_000_000
"""Maximum size of a file that is searched for names, in bytes."""

# These settings affect no pixels. Variables are handled one by one.
_NOT_DRAWN = ("load_timeout", "frame_timeout", "page_errors", "variables", "durations")
_WHEN = ("video", "start", "end")
_NAME = re.compile(r"[^\s\"'`()<>/\\=,;?#&{}\[\]|$:]+")
_IDENTIFIER = re.compile(r"\w[\w-]*")
_READS_VARIABLES = re.compile("getVariables|__hfVariables")


class _Node(Struct, frozen=True, eq=False):
    """An input: its content for the key, and in ``shows`` the inputs that its text names.

    Files and resources have the ``name`` and ``folder`` by which texts refer to them; ``asked`` is true if the page
    asked for them.
    """

    content: bytes
    text: str = ""
    windows: tuple[Window, ...] = ()
    name: str = ""
    folder: str = ""
    asked: bool = False
    shows: list[_Node] = field(default_factory=list)


def chunk_keys(manifest: Manifest, sight: PageParts, files: Mapping[str, Path]) -> Callable[[ChunkRange], str]:
    """Return a function that computes the key of a chunk (sha256, hex). It reads all texts only once.

    Parameters
    ----------
    manifest : Manifest
        The manifest, complete except for its chunks.
    sight : PageParts
        The parts of the page.
    files : mapping of str to Path
        Contents of the artifacts by path.
    """
    page = {name: value for name, value in msgspec.to_builtins(manifest.page).items() if name not in _NOT_DRAWN}
    names = ("protocol", "entry", "fps", "encoder", "environment", "fonts")
    sizes = {clip.id: manifest.videos[clip.video].source.natural_size for clip in manifest.clips}
    settings = {
        **{name: getattr(manifest, name) for name in names},
        "page": page,
        "videos": sizes,
        "sounds": sight.sounds_read,
    }
    rest, windowed = _nodes(manifest, sight, files)
    fps = manifest.fps.fraction

    def key(chunk: ChunkRange) -> str:
        times = [frame_time(frame, fps) for frame in (chunk.start, chunk.end - 1, chunk.end)]
        here = [(node, met) for node in windowed if (met := _met(node.windows, *times))]
        reached = _reached([rest, *(node for node, _ in here)])
        seen = {
            "settings": settings,
            "frames": (chunk.start, chunk.end),
            "always": sorted(node.content for node in reached if not node.windows),
            "here": sorted((node.content, met) for node, met in here),
            "plays": _played(manifest, range(chunk.start, chunk.end)),
        }
        return hashlib.sha256(b"hfdask-chunk\0" + canonical_json(seen)).hexdigest()

    return key


def _played(manifest: Manifest, frames: range) -> list[tuple[str, dict[str, object], int, int]]:
    """Return what clips play in these frames: the digest of the source, the clip, and the frames in its window.

    Which frames of the source these are follows from that.
    """
    played = []
    for clip in manifest.clips:
        window = frames_of(clip, manifest.fps.fraction)
        first, stop = max(window.start, frames.start), min(window.stop, frames.stop)
        if first < stop:
            how = {name: value for name, value in msgspec.to_builtins(clip).items() if name not in _WHEN}
            played.append((manifest.videos[clip.video].sha256, how, first, stop))
    return played


def _nodes(manifest: Manifest, sight: PageParts, files: Mapping[str, Path]) -> tuple[_Node, list[_Node]]:
    """Return the inputs of every chunk, and those with windows, both linked to the inputs that their texts name."""
    rest = _Node(canonical_json({"rest": _digest(sight.rest)}), sight.rest)
    units = [
        _Node(canonical_json({"unit": _digest(unit.text), "at": unit.place}), unit.text, unit.windows)
        for unit in sight.units
    ]
    decoded = manifest.only_decoded
    artifacts = (each for each in manifest.artifacts if each.path != manifest.entry and each.sha256 not in decoded)
    own = [_file(each, sight, files[each.path]) for each in artifacts]
    mounted = [node for node in own if node.windows]
    resources = (each for each in manifest.resources if each.sha256 not in decoded)
    named = [*(node for node in own if not node.windows), *map(_resource, resources)]
    variables = {
        name: _Node(canonical_json({"variable": name, "value": value}), json.dumps(value))
        for name, value in sight.variables.items()
    }
    pages = [rest, *units, *named]
    everyone = [*pages, *mounted, *variables.values()]
    _show_named(rest, everyone, named)
    _show_variables(everyone, pages, variables)
    rest.shows.extend(node for node in named if f"{node.folder}/{node.name}".lstrip("/") in sight.everywhere)
    return rest, [*units, *mounted]


def _file(artifact: Artifact, sight: PageParts, file: Path) -> _Node:
    folder, _, name = artifact.path.rpartition("/")
    silent = sight.texts.get(artifact.path)
    digest = artifact.sha256 if silent is None else _digest(silent)
    content = canonical_json({"file": artifact.path, "sha256": digest})
    text = _text(file) if silent is None else silent
    windows = sight.files.get(artifact.path, ())
    return _Node(content, text, windows, name, folder, artifact.path in sight.served)


def _resource(resource: Resource) -> _Node:
    names = ("key", "status", "headers", "sha256")
    parts = urlsplit(resource.url)
    return _Node(
        canonical_json({name: getattr(resource, name) for name in names}),
        name=unquote(parts.path.rstrip("/").rpartition("/")[2]) or parts.netloc,
        folder=parts.netloc,
        asked=True,
    )


def _show_named(rest: _Node, everyone: list[_Node], named: list[_Node]) -> None:
    """Link files and resources to the texts that name them.

    A page that asks for a file whose name occurs nowhere composes names. It may ask for other files of that folder in
    frames that planning did not visit.
    """
    holders = _holders(everyone, {part for node in named for part in (node.name, *node.folder.split("/"))})
    guessed = {node.folder for node in named if node.asked and node.name not in holders}
    for node in named:
        found = holders.get(node.name, [])
        if not found and node.folder in guessed:
            found = next((holders[part] for part in reversed(node.folder.split("/")) if part in holders), [rest])
        for holder in found:
            holder.shows.append(node)


def _show_variables(everyone: list[_Node], pages: list[_Node], variables: Mapping[str, _Node]) -> None:
    """Link variables to the texts that name them, and to the texts that may read all of them.

    Scripts of sub-compositions see the variables of their instance, which their hosts and files hold.
    """
    spellings = defaultdict(list)
    for name, node in variables.items():
        for spelling in {name, re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")}:
            spellings[spelling].append(node)
    if not spellings:
        return
    for node in everyone:
        for word in {*_IDENTIFIER.findall(node.text)} & spellings.keys():
            node.shows.extend(spellings[word])
    for node in pages:
        if _READS_VARIABLES.search(node.text):
            node.shows.extend(variables.values())


def _holders(nodes: list[_Node], names: set[str]) -> dict[str, list[_Node]]:
    """Return the inputs whose texts contain each name, as it is or percent-encoded."""
    found: dict[str, list[_Node]] = defaultdict(list)
    odd = {name for name in names if not _NAME.fullmatch(name)}
    for node in nodes:
        words = {*_NAME.findall(node.text)}
        words |= {unquote(word) for word in words if "%" in word}
        for name in words & names | {name for name in odd if name in node.text}:
            found[name].append(node)
    return found


def _reached(start: list[_Node]) -> Iterator[_Node]:
    known: set[_Node] = set()
    waiting = list(start)
    while waiting:
        node = waiting.pop()
        if node not in known:
            known.add(node)
            yield node
            waiting += node.shows


def _met(windows: tuple[Window, ...], first: float, last: float, end: float) -> list[Window]:
    """Return the windows that overlap a chunk, given the times of its first and last frame and its end.

    A window that lasts to the chunk's end or longer gets no end. A clip shows if ``start <= time < end``, in doubles,
    at times of ``frame / fps`` (docs/compositions.md, 2.1 and 3.5).
    """
    return [
        (start, stop if stop is not None and stop < end else None)
        for start, stop in windows
        if start <= last and (stop is None or stop > first)
    ]


def _text(path: Path) -> str:
    """Return the file's text, or "" if it is not text."""
    if path.stat().st_size > MAX_TEXT:
        return ""
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError:
        return ""
    return "" if "\0" in text else text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
