"""Ask fontconfig for this machine's fonts, through the library that Chromium uses."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from hfdask.errors import BrowserNotFoundError

_LIBRARY = "libfontconfig.so.1"
_SYSTEM_SET = 0
_MATCH = 0

# Fontconfig caches its table of fonts in files, so two threads of a process should not write it at once.
_lock = threading.Lock()


class Face(Struct, frozen=True):
    """One face of a font file; ``index`` is its number in a collection or a variable font."""

    file: Path
    index: int
    families: tuple[str, ...]
    style: str
    postscript: str


class _FontSet(ctypes.Structure):
    _fields_ = (
        ("count", ctypes.c_int),
        ("room", ctypes.c_int),
        ("fonts", ctypes.POINTER(ctypes.c_void_p)),
    )


@functools.cache
def _library() -> Any:
    for name in (f"{sys.prefix}/lib/{_LIBRARY}", _LIBRARY):  # a conda environment has its own fonts
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        pointer, text = ctypes.c_void_p, ctypes.c_char_p
        for function, result, arguments in (
            ("FcInitLoadConfig", pointer, []),
            ("FcConfigCreate", pointer, []),
            ("FcConfigDestroy", None, [pointer]),
            ("FcConfigParseAndLoad", ctypes.c_int, [pointer, text, ctypes.c_int]),
            ("FcConfigBuildFonts", ctypes.c_int, [pointer]),
            ("FcConfigGetFonts", ctypes.POINTER(_FontSet), [pointer, ctypes.c_int]),
            ("FcConfigGetFontDirs", pointer, [pointer]),
            ("FcConfigGetCacheDirs", pointer, [pointer]),
            ("FcStrListNext", text, [pointer]),
            ("FcStrListDone", None, [pointer]),
            ("FcPatternGetString", ctypes.c_int, [pointer, text, ctypes.c_int, ctypes.POINTER(text)]),
            ("FcPatternGetCharSet", ctypes.c_int, [pointer, text, ctypes.c_int, ctypes.POINTER(pointer)]),
            ("FcCharSetCreate", pointer, []),
            ("FcCharSetMerge", ctypes.c_int, [pointer, pointer, pointer]),
            ("FcCharSetHasChar", ctypes.c_int, [pointer, ctypes.c_uint32]),
            ("FcPatternGetInteger", ctypes.c_int, [pointer, text, ctypes.c_int, ctypes.POINTER(ctypes.c_int)]),
        ):
            getattr(library, function).restype = result
            getattr(library, function).argtypes = arguments
        return library
    raise BrowserNotFoundError(
        f"{_LIBRARY} is missing, and without it Chromium has no fonts; install fontconfig "
        "(Debian: apt-get install libfontconfig1)"
    )


def machine_folders() -> tuple[list[Path], list[Path]]:
    """Return the folders of this machine's fonts and of fontconfig's caches, by its own configuration.

    Raises
    ------
    BrowserNotFoundError
        If there is no fontconfig, which every Chromium needs.
    """
    library = _library()
    with _lock:
        config = library.FcInitLoadConfig()
        try:
            return (
                [Path(name) for name in _strings(library, library.FcConfigGetFontDirs(config))],
                [Path(name) for name in _strings(library, library.FcConfigGetCacheDirs(config))],
            )
        finally:
            library.FcConfigDestroy(config)


def faces(configuration: Path) -> list[Face]:
    """Return every face that a browser with this configuration can use, in fontconfig's order.

    Raises
    ------
    BrowserNotFoundError
    """
    with _patterns(configuration) as (library, patterns):
        return [_face(library, pattern) for pattern in patterns]


class Characters:
    """The characters for which some face of a configuration has a glyph. It stays in memory until the process ends.

    Raises
    ------
    BrowserNotFoundError
    """

    def __init__(self, configuration: Path) -> None:
        with _patterns(configuration) as (library, patterns):
            self._library, self._set = library, library.FcCharSetCreate()
            for pattern in patterns:
                one = ctypes.c_void_p()
                if library.FcPatternGetCharSet(pattern, b"charset", 0, ctypes.byref(one)) == _MATCH:
                    library.FcCharSetMerge(self._set, one, None)

    def __contains__(self, character: str) -> bool:
        return bool(self._library.FcCharSetHasChar(self._set, ord(character)))


@contextlib.contextmanager
def _patterns(configuration: Path) -> Iterator[tuple[Any, list[int]]]:
    """Yield fontconfig's descriptions of all faces of a configuration, valid only within the block."""
    library = _library()
    with _lock:
        config = library.FcConfigCreate()
        try:
            if not library.FcConfigParseAndLoad(config, str(configuration).encode(), 1):
                raise ValueError(f"fontconfig rejects {configuration}")
            library.FcConfigBuildFonts(config)
            found = library.FcConfigGetFonts(config, _SYSTEM_SET)
            yield library, [found.contents.fonts[number] for number in range(found.contents.count)] if found else []
        finally:
            library.FcConfigDestroy(config)


def _strings(library: Any, names: int) -> Iterator[str]:
    while (name := library.FcStrListNext(names)) is not None:
        yield name.decode("utf-8", "surrogateescape")
    library.FcStrListDone(names)


def _face(library: Any, pattern: int) -> Face:
    index = ctypes.c_int(0)
    library.FcPatternGetInteger(pattern, b"index", 0, ctypes.byref(index))
    return Face(
        file=Path(next(_values(library, pattern, b"file"))),
        index=index.value,
        families=tuple(_values(library, pattern, b"family")),
        style=next(_values(library, pattern, b"style"), ""),
        postscript=next(_values(library, pattern, b"postscriptname"), ""),
    )


def _values(library: Any, pattern: int, name: bytes) -> Iterator[str]:
    value = ctypes.c_char_p()
    number = 0
    while library.FcPatternGetString(pattern, name, number, ctypes.byref(value)) == _MATCH:
        assert value.value is not None
        yield value.value.decode("utf-8", "replace")
        number += 1
