"""Give a verified output its name, with all files that belong to it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from hfdask.errors import HfdaskError, MissingArtifactError, PlanCorruptError
from hfdask.formats.beside import HEAD
from hfdask.formats.format import Format
from hfdask.store import Store, concurrently, publish_folder


def publish(output: Store, name: str, path: Path, beside: Mapping[str, Path], format: Format) -> None:
    """Upload the files beside an output, then the output itself. If that fails, nothing of it is left.

    An earlier output of this name is whole until it is replaced. Then the files beside it are removed.
    """
    folders = {each.partition("/")[0] for each in beside}
    earlier = _folder_of(output, name, format) if folders else None
    try:
        concurrently(lambda item: output.put(*item), beside.items())
        if format.is_folder(name):
            publish_folder(output, name, path)
        elif output.local:
            os.replace(path, output.path + "/" + name)
        else:
            output.put(name, path)
    except BaseException:
        for folder in folders - {earlier}:
            with suppress(HfdaskError):  # of a failing store: the first error says more
                output.delete(folder)
        raise
    if earlier is not None and earlier not in folders:
        with suppress(HfdaskError):  # the new output is there, and the old files do no harm
            output.delete(earlier)


def _folder_of(output: Store, name: str, format: Format) -> str | None:
    """Return the folder beside an earlier output of this name, if there is one."""
    try:
        return format.beside_of(output.read(name, HEAD))
    except (MissingArtifactError, PlanCorruptError):  # there is none, or it is longer than an output that names others
        return None
