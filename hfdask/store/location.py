"""Locations: a URL with the options and credentials that reach it, in one value that can be sent to workers.

The URL can be shown and written down. Options and credentials travel with the value to workers, but are never part of
its text, of a task's key, or of a document.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Self

from fsspec.implementations.local import make_path_posix

from hfdask.errors import InvalidConfigError, OutputNotWritableError
from hfdask.store.redaction import SecretOptions, StorageOptions, shown
from hfdask.store.store import Store, plain_url

_ENDING = re.compile(r"\.[a-z0-9]{2,5}")
"""Endings of outputs, which are not names by themselves."""


Place = str | os.PathLike[str]
"""A URL or path that a caller gives; a `Location` is one, too."""


def _none() -> SecretOptions:
    return SecretOptions({})


@dataclass(frozen=True)
class Location(os.PathLike[str]):
    """A folder's or file's URL, with the arguments of its file system. Functions that take a URL take it whole.

    Attributes
    ----------
    url : str
        Absolute, with its server, without credentials.
    given : SecretOptions
        Storage options of the caller.
    credentials : SecretOptions
        Options that were written in the URL, such as a user and a password.
    """

    url: str
    given: SecretOptions = field(default_factory=_none, repr=False, hash=False)
    credentials: SecretOptions = field(default_factory=_none, repr=False, hash=False)

    @classmethod
    def of(cls, place: Place, storage_options: StorageOptions | None = None) -> Self:
        """Split a folder's URL and its credentials. A location stays unchanged.

        Raises
        ------
        InvalidConfigError, StoreNotAllowedError
        """
        if isinstance(place, Location):
            return cls(place.url, place.given, place.credentials)
        return cls.at(Store(place, storage_options))

    @classmethod
    def at(cls, store: Store, name: str = "") -> Self:
        """Return the location of a store, or of a name in it."""
        return cls(store.url_of(name), SecretOptions(store.given), SecretOptions(store.credentials))

    def __fspath__(self) -> str:
        return self.url

    @property
    def storage_options(self) -> StorageOptions | None:
        """All arguments of the file system, or None if there are none."""
        return SecretOptions({**self.credentials, **self.given}) if self.credentials or self.given else None

    def child(self, name: str) -> Location:
        """Return the location of a name in the folder."""
        return Location(f"{self.url}/{name}", self.given, self.credentials)

    def store(self) -> Store:
        """Open the folder."""
        return Store(self.url, self.storage_options)

    def options_for(self, url: Place) -> StorageOptions | None:
        """Return the options for another URL: with this one's credentials if it is on the same server."""
        if isinstance(url, Location):
            return url.storage_options
        same = self.credentials and _server(os.fspath(url)) == _server(self.url)
        return self.storage_options if same else (self.given or None)


def _server(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def split_url(
    url: Place, storage_options: StorageOptions | None = None, *, may_be_folder: bool = False
) -> tuple[Store, str]:
    """Return the store of a file's folder, and the file's name in it.

    With ``may_be_folder``, the URL may also name a folder, with or without a slash at its end.
    """
    url, storage_options = _spelled(url, storage_options)
    folder, name = _parts(without_slash(plain_url(url)) if may_be_folder else url)
    if not name:
        raise InvalidConfigError(f"{shown(url)!r} names a folder, not a file", field="url")
    return Store(folder, storage_options), name


def without_slash(text: str) -> str:
    """Return the URL or pattern of an output without the slash that marks a folder. With an ending it would be a file's."""
    name = text.rstrip("/")
    return text if PurePosixPath(name).suffix or name.endswith(":") else name or text


def _spelled(place: Place, storage_options: StorageOptions | None) -> tuple[Place, StorageOptions | None]:
    return (place.url, place.storage_options) if isinstance(place, Location) else (place, storage_options)


def _parts(url: str | os.PathLike[str]) -> tuple[str, str]:
    """Return the URL of a file's folder, and the file's name, which is empty if the URL has none."""
    text = plain_url(url)
    scheme, separator, rest = text.partition("://")
    folder, slash, name = (rest if separator else make_path_posix(text)).rpartition("/")
    if not text or (separator and not slash and scheme != "memory"):  # a server or a bucket
        return text, ""
    return f"{scheme}://{folder}" if separator else folder or "/", name


def split_output(
    url: Place, storage_options: StorageOptions | None = None, *, may_be_folder: bool = False
) -> tuple[Store, str]:
    """Return the store of the folder of a file to be written, and the file's name in it.

    With ``may_be_folder``, there may be a folder of this name, which the caller looks into, and the URL may end in a slash.

    Raises
    ------
    OutputNotWritableError
        If it has no name, or is a folder, a device or the like.
    """
    url, storage_options = _spelled(url, storage_options)
    folder, name = _parts(without_slash(plain_url(url)) if may_be_folder else url)
    if name in ("", ".", "..") or _ENDING.fullmatch(name.lower()):
        raise OutputNotWritableError(
            f"the output {shown(url)!r} has no name; write one behind the folder, such as 'video.mp4'", path=shown(url)
        )
    store = Store(folder, storage_options)
    if store.local:
        path = Path(store.path, name)
        with suppress(OSError):  # nothing is there, or the error of writing is clearer
            mode = path.stat().st_mode
            if not (stat.S_ISREG(mode) or (may_be_folder and stat.S_ISDIR(mode))):
                what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
                raise OutputNotWritableError(f"{path} is {what}, so nothing can be written there", path=str(path))
    return store, name
