"""Outputs that are folders of files: they appear, and are replaced, as a whole on a local disk."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from hfdask.errors import OutputNotWritableError
from hfdask.store.calls import concurrently
from hfdask.store.location import Location
from hfdask.store.store import Store


def require_own_folder(store: Store, name: str, owns: Callable[[str], bool]) -> None:
    """Check that a folder is not there yet, or has only files that an earlier render may have written.

    Parameters
    ----------
    owns : callable
        Returns true for the name of such a file.

    Raises
    ------
    OutputNotWritableError
        If it is a file, or has other files, which would be lost.
    StoreError, StoreRefusedError
    """
    if store.local and os.path.lexists(os.path.join(store.path, name)) and not os.path.isdir(f"{store.path}/{name}"):
        raise OutputNotWritableError(
            f"{store.shown(name)} is a file, so no folder can be written there; remove it, or choose another name",
            path=store.shown(name),
        )
    foreign = sorted(each for each in Location.at(store, name).store().names() if not owns(each))
    if foreign:
        raise OutputNotWritableError(
            f"{store.shown(name)} has other files, such as {foreign[0]!r}, which would be lost; choose a new folder",
            path=store.shown(name),
        )


def publish_folder(store: Store, name: str, folder: Path) -> None:
    """Put a finished folder in place of an older one.

    On a local disk ``folder`` is renamed, so it must be on the same disk. In other stores the files appear one after the other, and
    files of an older output are removed last. If that fails, all of them are removed.

    Raises
    ------
    StoreError, StoreRefusedError, OutputNotWritableError
    """
    if store.local:
        _rename(folder, Path(store.path, name))
        return
    target = Location.at(store, name).store()
    files = {path.name: path for path in folder.iterdir()}
    with store.removed_on_error(name):
        concurrently(lambda item: target.put(*item), files.items())
        concurrently(target.delete, [each for each in target.names() if each not in files])


def _rename(folder: Path, final: Path) -> None:
    old = final.with_name(f".{final.name}.{uuid.uuid4().hex[:12]}.old")
    try:
        if final.exists():
            final.rename(old)
        folder.rename(final)
    except OSError as error:
        if old.exists() and not final.exists():
            old.rename(final)
        raise OutputNotWritableError(f"cannot write to {final}: {error}", path=str(final)) from error
    shutil.rmtree(old, ignore_errors=True)
