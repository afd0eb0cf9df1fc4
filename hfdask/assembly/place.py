"""The place of an output: a file, or a folder of files."""

from __future__ import annotations

from hfdask.errors import InvalidConfigError
from hfdask.formats.format import Format
from hfdask.store import Store, require_own_folder, split_output
from hfdask.store.location import Location


def require_place(format: Format, store: Store, name: str, *, certificate: bool) -> None:
    """Check that an output can be written at its place.

    Raises
    ------
    OutputNotWritableError
        If there is a folder in place of a file, or a folder with other files.
    InvalidConfigError
        If a certificate is wanted for a folder.
    """
    if not format.is_folder(name):
        split_output(Location.at(store, name))
        return
    if certificate:
        raise InvalidConfigError(
            f"a folder has no certificate; write a file that ends in {format.suffixes[0]}, or leave the certificate out",
            field="certificate",
        )
    require_own_folder(store, name, format.owns)
