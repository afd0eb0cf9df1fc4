"""Digests of content, and the files whose digests are known.

A digest may come from an untrusted document, so only a valid digest ever becomes part of a path. A file counts as
checked if this process has hashed or written it, and it has not changed since. All other files are hashed before they
are used.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from hfdask.core.fields import is_digest
from hfdask.errors import PlanCorruptError

Stamp = tuple[int, int, int, int]

_checked: dict[tuple[Path, str], Stamp] = {}
_lock = threading.Lock()


def require_digest(text: str) -> str:
    """Return the text if it is a sha256 in lower-case hex digits.

    Raises
    ------
    PlanCorruptError
    """
    if not (isinstance(text, str) and is_digest(text)):
        raise PlanCorruptError(f"{str(text)[:80]!r} is not a sha256 digest, so it cannot name an object")
    return text


def object_name(sha256: str) -> str:
    """Return the name of the object of this digest in a plan, if it is not in a pack.

    Raises
    ------
    PlanCorruptError
        If it is not a digest.
    """
    return f"objects/{require_digest(sha256)[:2]}/{sha256}"


def file_digest(path: Path) -> str:
    """Return the sha256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def listing_digest(digests: Mapping[str, str]) -> str:
    """Return one sha256 (hex) of many files, given theirs by name: the digest of the lines that ``sha256sum`` prints for them.

    The lines are in the order of the names' code points, so ``LC_ALL=C; sha256sum * | sha256sum`` gives the same.
    """
    lines = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))
    return hashlib.sha256(lines.encode()).hexdigest()


def measured(source: Path | bytes) -> tuple[str, int]:
    """Return digest and size of content."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest(), len(source)
    return file_digest(source), source.stat().st_size


def is_content(path: Path, digest: str, size: int) -> bool:
    """Return true if the file exists with this content. It is hashed at the first call, and after any change.

    Raises
    ------
    OSError
        If the file exists but cannot be read.
    """
    try:
        stamp = _stamp(path)
        if stamp[-1] != size:
            return False
        with _lock:
            if _checked.get((path, digest)) == stamp:
                return True
        if file_digest(path) != digest:
            return False
    except FileNotFoundError:
        return False
    _remember(path, digest, stamp)
    return True


def mark_checked(path: Path, digest: str, final: Path) -> None:
    """Mark a file as checked, just before it is moved to its final place."""
    _remember(final, digest, _stamp(path))


def _remember(path: Path, digest: str, stamp: Stamp) -> None:
    with _lock:
        _checked[path, digest] = stamp


def _stamp(path: Path) -> Stamp:
    """Return the identity, modification time and size of a file."""
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
