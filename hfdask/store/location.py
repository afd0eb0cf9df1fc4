"""Where something is kept: a URL, and what it takes to get there, in one value that can travel.

The URL can be shown and written down. Options and credentials travel with the value to workers, but are never part of
its text, of a task's key, or of a document.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Self

from hfdask.store.redaction import SecretOptions, StorageOptions
from hfdask.store.store import Store


def _none() -> SecretOptions:
    return SecretOptions({})


@dataclass(frozen=True)
class Location:
    """A folder's or file's URL, with the arguments of its file system.

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
    def of(cls, url: str | os.PathLike[str], storage_options: StorageOptions | None = None) -> Self:
        """Part a URL from its credentials.

        Raises
        ------
        InvalidConfigError, StoreNotAllowedError
        """
        return cls.at(Store(url, storage_options))

    @classmethod
    def at(cls, store: Store, name: str = "") -> Self:
        """Where a store is, or what has this name in it."""
        return cls(store.url_of(name), SecretOptions(store.given), SecretOptions(store.credentials))

    @property
    def storage_options(self) -> StorageOptions | None:
        """All arguments of the file system, or None if there are none."""
        return SecretOptions({**self.credentials, **self.given}) if self.credentials or self.given else None

    def store(self) -> Store:
        """Open the folder."""
        return Store(self.url, self.storage_options)

    def options_for(self, url: str | os.PathLike[str]) -> StorageOptions | None:
        """The options for another URL: with this one's credentials if it is on the same server."""
        same = self.credentials and _server(os.fspath(url)) == _server(self.url)
        return self.storage_options if same else (self.given or None)


def _server(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"
