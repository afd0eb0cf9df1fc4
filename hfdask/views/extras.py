"""Import packages that come with an extra."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from hfdask.errors import MissingExtraError


def needed(module: str, extra: str = "analysis") -> Any:
    """Import a module of a package that comes with an extra.

    Raises
    ------
    MissingExtraError
        If the package is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(
            f"{package} is not installed: pip install 'hfdask[{extra}]'", extra=extra, package=package
        ) from error
