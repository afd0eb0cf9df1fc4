"""The place of an output: a file, or a folder of files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hfdask.core.scratch import atomic_file, atomic_folder
from hfdask.errors import OutputNotWritableError
from hfdask.formats.format import Format
from hfdask.store import Store, disk_full_at, require_own_folder, split_output
from hfdask.store.location import Location


def require_place(format: Format, store: Store, name: str) -> None:
    """Check that an output can be written at its place.

    Raises
    ------
    OutputNotWritableError
        If there is a folder in place of a file, or a folder with other files.
    """
    if format.is_folder(name):
        require_own_folder(store, name, format.owns)
    else:
        split_output(Location.at(store, name))


@contextmanager
def hidden_output(format: Format, store: Store, name: str, scratch: Path) -> Iterator[Path]:
    """Make a hidden file or folder for an output that `hfdask.assembly.publishing.publish` moves; remove it at the end of the block.

    It is beside the output on a local disk, else in the folder ``scratch``.

    Raises
    ------
    OutputNotWritableError, DiskFullError
    """
    folder = Path(store.path) if store.local else scratch
    make = atomic_folder if format.is_folder(name) else atomic_file
    with ExitStack() as held:
        with disk_full_at(folder / name):
            try:
                path = held.enter_context(make(folder, name))
            except OSError as error:
                raise OutputNotWritableError(f"cannot write to {folder}: {error}", path=str(folder)) from error
        yield path
