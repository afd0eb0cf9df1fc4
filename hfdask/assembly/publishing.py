"""Give a verified output its name, with all files that belong to it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from hfdask.assembly.place import hidden_output, require_place
from hfdask.core.scratch import scratch_subfolder
from hfdask.errors import HfdaskError, MissingArtifactError
from hfdask.formats.format import Format
from hfdask.formats.output_files import OutputFiles, folder_beside
from hfdask.store import Store, concurrently, disk_full_at, publish_folder


def publish(output: Store, name: str, path: Path, beside: Mapping[str, Path], format: Format) -> None:
    """Upload the files beside an output, then the output itself. If that fails, nothing of it is left.

    An earlier output of this name is whole until it is replaced. Then the files beside it are removed.
    """
    folders = {each.partition("/")[0] for each in beside}
    earlier = _folder_of(output, name) if folders else None
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


def copy_output(source: OutputFiles, output: Store, name: str, format: Format) -> None:
    """Copy a finished output to another name, with the files that a render to this name would have written.

    Raises
    ------
    OutputNotWritableError, DiskFullError, MissingArtifactError, StoreError, StoreRefusedError
    """
    require_place(format, output, name)
    with scratch_subfolder("copy") as scratch, hidden_output(format, output, name, scratch) as path:
        files = source.fetch(scratch)
        beside: dict[str, Path] = {}
        with disk_full_at(path):
            if format.is_folder(name):
                for each, file in files.items():
                    shutil.copyfile(file, path / each.rpartition("/")[2])
            elif source.folder is None:
                shutil.copyfile(files[source.name], path)
            else:
                content, folder = format.renamed(files.pop(source.name).read_bytes(), source.folder)
                path.write_bytes(content)
                beside = {f"{folder}/{each.rpartition('/')[2]}": file for each, file in files.items()}
        publish(output, name, path, beside, format)


def _folder_of(output: Store, name: str) -> str | None:
    """Return the folder beside an earlier output of this name, if there is one."""
    try:
        return folder_beside(output, name)
    except MissingArtifactError:
        return None
