"""Files that a driver leaves in a plan's folder for the worker that plans, besides the project's content.

    planning-<random>/project.json         the frozen project: its entry, and path and digest of each file
    planning-<random>/replacing/<number>/  local files that replace URLs, and are not in the project

The folder is removed when the plan is made. The plan then contains every file that the page requested.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import ClassVar

from hfdask.config import is_url
from hfdask.core.fields import Path as FilePath
from hfdask.core.fields import is_path
from hfdask.core.model import Manifest, canonical_json, decode
from hfdask.core.places import local_path
from hfdask.core.scratch import scratch_subfolder
from hfdask.core.values import Value
from hfdask.errors import InvalidConfigError, PlanCorruptError
from hfdask.planning.planning import FrozenProject
from hfdask.project.files import SKIPPED, files_below, local_project
from hfdask.store import Location, concurrently

_DOCUMENT = "project.json"
_PROJECT, _REPLACING = "project", "replacing"


class _Handover(Value, frozen=True):
    """``replacing`` names, by the prefix of the URLs, a file or folder of the project or of the folder ``replacing``."""

    LIMIT: ClassVar[int] = Manifest.LIMIT

    project: FrozenProject
    replacing: dict[str, FilePath]


@contextmanager
def handed_over(plan: Location, frozen: FrozenProject, replace_urls: Mapping[str, str]) -> Iterator[Location]:
    """Leave a frozen project and the local files that replace URLs, for as long as the block runs.

    Raises
    ------
    InvalidConfigError
        If a file that replaces URLs does not exist.
    StoreError, StoreRefusedError, DiskFullError
    """
    replacing: dict[str, str] = {}
    files: dict[str, Path] = {}
    for number, (prefix, target) in enumerate(replace_urls.items()):
        if not is_url(target):
            replacing[prefix] = _place(Path(local_path(target)), number, Path(frozen.folder), files)
    folder = plan.child(f"planning-{uuid.uuid4().hex[:12]}")
    store = folder.store()
    with store.removed_at_end():
        concurrently(lambda item: store.put(*item), files.items())
        store.put(_DOCUMENT, canonical_json(_Handover(project=frozen, replacing=replacing)))
        yield folder


def _place(target: Path, number: int, project: Path, files: dict[str, Path]) -> str:
    """Name what replaces a URL; it is added to the files that are sent if the project does not have it."""
    path = target.resolve()
    if not path.exists():
        raise InvalidConfigError(f"replace_urls: {target} does not exist", field="replace_urls")
    if path.is_relative_to(project):
        inside = path.relative_to(project)
        if not inside.parts or inside.parts[0] not in SKIPPED:
            return (PurePosixPath(_PROJECT) / inside).as_posix()
    place = f"{_REPLACING}/{number}/{path.name}"
    if not is_path(place):
        raise InvalidConfigError(
            f"replace_urls: {ascii(path.name)[:200]} is a name that no URL can have", field="replace_urls"
        )
    files.update({place: path} if path.is_file() else {f"{place}/{name}": file for name, file in files_below(path)})
    return place


@contextmanager
def received(folder: Location) -> Iterator[tuple[FrozenProject, Callable[[Mapping[str, Path]], dict[str, str]]]]:
    """Read what a driver has left, for as long as the block runs.

    The second value is a function: given the project's files, it returns ``replace_urls`` for this machine.

    Raises
    ------
    MissingArtifactError, PlanCorruptError, StoreError, StoreRefusedError
    """
    store = folder.store()
    where = store.url_of(_DOCUMENT)
    given = store.read_as(_DOCUMENT, lambda data: decode(data, _Handover, where), limit=_Handover.LIMIT)
    with ExitStack() as held:
        own = held.enter_context(scratch_subfolder("planning"))
        tops = {_PROJECT: own}
        if any(PurePosixPath(name).parts[0] == _REPLACING for name in given.replacing.values()):
            sent = folder.child(_REPLACING)
            tops[_REPLACING] = held.enter_context(local_project(sent.url, sent.storage_options))

        def replace_urls(files: Mapping[str, Path]) -> dict[str, str]:
            found = {}
            for prefix, name in given.replacing.items():
                top, *rest = PurePosixPath(name).parts
                if top not in tops:
                    raise PlanCorruptError(f"{where}: {name!r} is in no folder that was sent", document=where)
                if top == _PROJECT:
                    _lay_out(PurePosixPath(*rest), files, own)
                found[prefix] = str(tops[top].joinpath(*rest))
            return found

        yield given.project, replace_urls


def _lay_out(name: PurePosixPath, files: Mapping[str, Path], folder: Path) -> None:
    """Write the files of the project that have this name, or are below it, under their names."""
    for path, file in files.items():
        if PurePosixPath(path).is_relative_to(name):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / path)
