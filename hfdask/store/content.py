"""Content and its digest: what is named by one, and which files are known to have theirs.

A digest may come from a document that anybody wrote, so nothing but a digest ever becomes part of a path. A file counts as
checked where this process has hashed or written that very file, and it still looks the same; whoever else put a file under
a digest's name, it is hashed before it is used.
"""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

from hfdask.core.fields import is_digest
from hfdask.errors import PlanCorruptError

Stamp = tuple[int, int, int, int]

_checked: dict[tuple[Path, str], Stamp] = {}
_lock = threading.Lock()


def require_digest(text: str) -> str:
    """The text itself, if it is a sha256 in lower-case hex digits.

    Raises
    ------
    PlanCorruptError
    """
    if not (isinstance(text, str) and is_digest(text)):
        raise PlanCorruptError(f"{str(text)[:80]!r} is no sha256 digest, so no object can be named by it")
    return text


def object_name(sha256: str) -> str:
    """Where an object of this digest is kept in a plan, if it is not in a pack.

    Raises
    ------
    PlanCorruptError
        Where it is no digest.
    """
    return f"objects/{require_digest(sha256)[:2]}/{sha256}"


def file_digest(path: Path) -> str:
    """sha256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def measured(source: Path | bytes) -> tuple[str, int]:
    """Digest and size."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest(), len(source)
    return file_digest(source), source.stat().st_size


def is_content(path: Path, digest: str, size: int) -> bool:
    """Whether a file is there with this content. It is hashed at the first call, and again after any change.

    Raises
    ------
    OSError
        Where the file is there but cannot be read.
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
    """Say that this process has checked a file that it is about to move to its final place."""
    _remember(final, digest, _stamp(path))


def _remember(path: Path, digest: str, stamp: Stamp) -> None:
    with _lock:
        _checked[path, digest] = stamp


def _stamp(path: Path) -> Stamp:
    """How a file looks: which one it is, when it was changed last, and its size."""
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
