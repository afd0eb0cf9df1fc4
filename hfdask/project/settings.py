"""Read a project's own options: the table ``[render]`` of its ``hfdask.toml``."""

from __future__ import annotations

import os
import reprlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hfdask.config import RenderConfig, is_url
from hfdask.core.fields import is_plain
from hfdask.core.places import local_path
from hfdask.errors import InvalidConfigError, MissingArtifactError, PlanCorruptError
from hfdask.precedence import merged
from hfdask.project.files import PROJECT_FILE
from hfdask.store import StorageOptions, Store, split_url

MAX_PROJECT_FILE = 2**20
"""Bytes."""

_DOCUMENTS = (".html", ".htm")


def with_project_file(
    project: str | os.PathLike[str], options: Mapping[str, Any], storage_options: StorageOptions | None = None
) -> dict[str, Any]:
    """Merge a caller's options over the options in the project's file, if it has one.

    Tables (``variables``, ``replace_urls``) are merged name by name. The file belongs to the project, so it can neither
    open private hosts to the page nor use files outside of the project. If the project is at a URL, ``replace_urls``
    are left to planning, which has a local copy.

    Raises
    ------
    InvalidConfigError
        The message names the file.
    StoreError, StoreRefusedError, StoreNotAllowedError
    """
    store = Store(project, storage_options)
    if not store.local and store.path.endswith(_DOCUMENTS):
        store, _ = split_url(project, storage_options)
    place, own = _of_folder(Path(store.path)) if store.local else _of_url(store)
    if "replace_urls" in own:
        if store.local:
            own["replace_urls"] = {prefix: _inside(target, place) for prefix, target in own["replace_urls"].items()}
        else:
            del own["replace_urls"]
    both = merged(own, options)
    for name in ("variables", "replace_urls"):
        if isinstance(own.get(name), dict) and isinstance(options.get(name), dict):
            both[name] = {**own[name], **options[name]}
    return both


def _of_folder(folder: Path) -> tuple[str, dict[str, Any]]:
    file = (folder.parent if os.path.isfile(folder) else folder) / PROJECT_FILE
    if not os.path.isfile(file):
        return str(file), {}
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_PROJECT_FILE + 1)
    except OSError as error:
        raise InvalidConfigError(f"{file} cannot be read: {error}", field=PROJECT_FILE) from error
    return str(file), _options(str(file), data)


def _of_url(store: Store) -> tuple[str, dict[str, Any]]:
    place = store.url_of(PROJECT_FILE)
    try:
        return place, _options(place, store.read(PROJECT_FILE, MAX_PROJECT_FILE))
    except MissingArtifactError:
        return place, {}
    except PlanCorruptError:
        raise _too_long(place) from None


def _options(place: str, data: bytes) -> dict[str, Any]:
    """Read the options from the content of a project's file."""
    document = _toml(place, data)
    own = document.pop("render", {})
    if document or not isinstance(own, dict):
        name = next(iter(document), "render")
        raise InvalidConfigError(f"{place}: unknown {name!r}; options belong in a table [render]", field=name)
    if "allow_hosts" in own:
        raise InvalidConfigError(
            f"{place}: allow_hosts opens this machine's network to the page, so a project cannot set it; pass it to the render",
            field="allow_hosts",
        )
    try:
        RenderConfig.of(own)
    except InvalidConfigError as error:
        raise InvalidConfigError(f"{place}: {error.message}", **error.details) from error
    return own


def _toml(place: str, data: bytes) -> dict[str, Any]:
    if len(data) > MAX_PROJECT_FILE:
        raise _too_long(place)
    try:
        return tomllib.loads(data.decode())
    except RecursionError:
        problem = "is nested too deeply"
    except ValueError as error:  # not TOML, not UTF-8, or a number too long
        problem = f"is not valid TOML: {str(error)[:500]}"
    raise InvalidConfigError(f"{place} {problem}", field=PROJECT_FILE)


def _too_long(place: str) -> InvalidConfigError:
    return InvalidConfigError(f"{place} has more than {MAX_PROJECT_FILE} bytes", field=PROJECT_FILE)


def _inside(target: str, place: str) -> str:
    if is_url(target):
        return target
    folder = Path(place).parent.resolve()
    if not is_plain(target) or not (path := (folder / local_path(target)).resolve()).is_relative_to(folder):
        raise InvalidConfigError(
            f"{place}: replace_urls: {reprlib.repr(target)} is not a path inside the project", field="replace_urls"
        )
    return str(path)
