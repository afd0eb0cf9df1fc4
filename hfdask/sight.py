"""What each chunk of a video can see of its project, and the key that stands for all of it.

Chunks with one key show the same pictures, as far as the project's text can tell, so a finished chunk of an earlier version
of a project is used again where its key is still wanted. A chunk sees

- the settings: range of frames, size, rate, encoder, way of capture, environment, fonts;
- the entry document without its clips, but with all of its scripts and styles;
- the clips whose windows meet its frames, and the sub-compositions that are mounted in such windows;
- files, recorded resources and variables whose names stand in a text that it sees, and those that the page asked for
  though their names stand nowhere.

A script that puts a name together, or looks into another clip, can hide what it depends on. So a key alone is never
enough: some frames of a chunk from another plan are captured again before it is used (`hfdask.chunk`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from hfdask.model import ChunkRange, Manifest, Value, canonical_json

MAX_TEXT = 2_000_000
"""Bytes of a file in which names are looked for."""

# They decide whether there is a picture, not which; variables are seen one by one.
_NOT_DRAWN = ("load_timeout", "frame_timeout", "page_errors", "variables")
_NAME = re.compile(r"[^\s\"'`()<>/\\=,;?#&{}\[\]|$:]+")
_IDENTIFIER = re.compile(r"\w[\w-]*")
_READS_VARIABLES = re.compile("getVariables|__hfVariables")

Window = tuple[float, float | None]


class Unit(Value, frozen=True):
    """A part of the entry document, as written, that is seen in its windows only; ``place`` is where it stands."""

    text: str
    place: str
    windows: tuple[Window, ...]


class Sight(Value, frozen=True):
    """The entry document taken apart by the page (``runtime/sight.js``).

    ``rest`` is what every frame sees, ``files`` are the windows of mounted files, ``everywhere`` those whose rules act on the
    whole page, ``variables`` the values of the page, and ``served`` the files that it asked for. Windows are
    ``(start, end)`` in seconds, without an end where there is none.
    """

    rest: str
    units: tuple[Unit, ...]
    files: dict[str, tuple[Window, ...]]
    everywhere: tuple[str, ...]
    variables: dict[str, Any]
    served: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Node:
    """Something that may be seen: its content for the key, and what else is seen with it because its text names it."""

    content: bytes
    text: str = ""
    windows: tuple[Window, ...] = ()
    shows: list[_Node] = field(default_factory=list)

    @classmethod
    def of(cls, content: dict[str, Any], text: str = "", windows: tuple[Window, ...] = ()) -> _Node:
        return cls(canonical_json(content), text, windows)


def chunk_keys(manifest: Manifest, sight: Sight, files: Mapping[str, Path]) -> tuple[str, ...]:
    """The keys (sha256, hex) of a plan's chunks, in order.

    Parameters
    ----------
    manifest : Manifest
        Complete but for the keys.
    sight : Sight
        What the page told of itself.
    files : mapping of str to Path
        Contents of the artifacts by path.
    """
    page = {name: value for name, value in msgspec.to_builtins(manifest.page).items() if name not in _NOT_DRAWN}
    names = ("protocol", "entry", "fps", "encoder", "environment", "fonts")
    settings = {**{name: getattr(manifest, name) for name in names}, "page": page}
    always, windowed = _nodes(manifest, sight, files)
    fps = manifest.fps.fraction

    def key(chunk: ChunkRange) -> str:
        here = [(node, met) for node in windowed if (met := _met(node.windows, chunk, fps))]
        reached = _reached([*always, *(node for node, _ in here)])
        seen = {
            "settings": settings,
            "frames": (chunk.start, chunk.end),
            "always": sorted(node.content for node in reached if not node.windows),
            "here": sorted((node.content, met) for node, met in here),
        }
        return hashlib.sha256(b"hfdask-chunk\0" + canonical_json(seen)).hexdigest()

    return tuple(map(key, manifest.chunks))


def _nodes(manifest: Manifest, sight: Sight, files: Mapping[str, Path]) -> tuple[list[_Node], list[_Node]]:
    """What every chunk sees, and what is seen in windows; all linked to what their texts name."""
    rest = _Node.of({"rest": _digest(sight.rest)}, sight.rest)
    always = [rest]
    windowed = [
        _Node.of({"unit": _digest(unit.text), "at": unit.place}, unit.text, unit.windows) for unit in sight.units
    ]
    named: list[tuple[list[str], bool, _Node]] = []
    for each in manifest.artifacts:
        if each.path == manifest.entry:
            continue
        content = {"file": each.path, "sha256": each.sha256}
        node = _Node.of(content, _text(files[each.path]), sight.files.get(each.path, ()))
        if node.windows:
            windowed.append(node)
            continue
        named.append((each.path.split("/")[::-1], each.path in sight.served, node))
        if each.path in sight.everywhere:
            always.append(node)
    for resource in manifest.resources:
        parts = urlsplit(resource.url)
        seen = {"key": resource.key, "status": resource.status, "headers": resource.headers, "sha256": resource.sha256}
        named.append(([*_segments(parts.path)[-1:], parts.netloc], True, _Node.of(seen)))
    variables = {
        name: _Node.of({"variable": name, "value": value}, json.dumps(value)) for name, value in sight.variables.items()
    }
    pages = [rest, *windowed[: len(sight.units)], *(node for _, _, node in named)]
    everyone = [*pages, *windowed[len(sight.units) :], *variables.values()]
    holders = _holders(everyone, {name for names, _, _ in named for name in names})
    for names, asked, node in named:
        found = next((holders[name] for name in names if name in holders), None)
        for holder in found or ():
            holder.shows.append(node)
        if found is None and asked:
            always.append(node)
    _show_variables(everyone, pages, variables)
    return always, windowed


def _show_variables(everyone: list[_Node], pages: list[_Node], variables: Mapping[str, _Node]) -> None:
    """Link variables to the texts that name them, and to those that may read all of them.

    Scripts of sub-compositions see the variables of their own instance, which their hosts and files hold.
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
    """In which texts each name stands, as it is or in the spelling of a URL."""
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


def _met(windows: tuple[Window, ...], chunk: ChunkRange, fps: Fraction) -> list[Window]:
    """The windows that meet a chunk; one that lasts to its end or longer has no end here.

    A clip shows where ``start <= time < end``, in doubles, at times of ``frame / fps`` (contract 1.7, 2.5).
    """
    first, last, end = (frame / float(fps) for frame in (chunk.start, chunk.end - 1, chunk.end))
    return [
        (start, stop if stop is not None and stop < end else None)
        for start, stop in windows
        if start <= last and (stop is None or stop > first)
    ]


def _segments(path: str) -> list[str]:
    return [unquote(part) for part in path.split("/") if part]


def _text(path: Path) -> str:
    """What a file says, empty for what is no text."""
    if path.stat().st_size > MAX_TEXT:
        return ""
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError:
        return ""
    return "" if "\0" in text else text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
