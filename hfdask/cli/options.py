"""The command line's options, made from the fields of `hfdask.RenderConfig` and `hfdask.JobConfig`."""

from __future__ import annotations

import gc
import json
import os
import types
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import click

import hfdask


class Configured(click.Command):
    """A command that prepares itself only if it is called, because all that it needs takes long to import.

    Parameters
    ----------
    configured : callable, optional
        Returns options that come after the command's own.
    needs : str, optional
        Public name that it uses. If this process runs nothing but the command, the name is imported with all that it
        needs before the command runs.
    browser : bool
        True to start a browser before that, unless the command has a scheduler.
    """

    def __init__(
        self,
        *args: Any,
        configured: Callable[[], list[click.Option]] | None = None,
        needs: str | None = None,
        browser: bool = True,
        **extra: Any,
    ) -> None:
        self._configured = configured
        self._needs, self._browser = needs, browser
        super().__init__(*args, **extra)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Parse the arguments, and import what the command needs, while a browser starts.

        Imports make no garbage, but several hundred thousand objects that stay. The collector of a program never looks at
        them: that takes 70 ms each time, in which no other thread runs. NumPy's threads for matrices, which nothing here
        uses, spin when they start: 0.1 CPU seconds with two cores, and a thread for each core.
        """
        make = partial(super().make_context, info_name, args, parent, **extra)
        program = parent is not None and getattr(parent.command, "is_program", False)
        if self._needs is None or not program or not {"-h", "--help"}.isdisjoint(args):
            return make()
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        gc.disable()
        try:
            # The options are not known yet, and to make them takes nearly as long as to start the browser's driver.
            if self._browser and not any(each.partition("=")[0] == "--scheduler" for each in args):
                hfdask.start_browser()
            context = make()
            getattr(hfdask, self._needs)
            gc.freeze()
            return context
        finally:
            gc.enable()

    @property
    def params(self) -> list[click.Parameter]:
        """All parameters."""
        if self._configured is not None:
            options, self._configured = self._configured(), None
            self._params += options
        return self._params

    @params.setter
    def params(self, params: list[click.Parameter]) -> None:
        self._params = params


def options_of(
    *classes: type[hfdask.RenderConfig | hfdask.JobConfig], only: Collection[str] = (), without: Collection[str] = ()
) -> list[click.Option]:
    """Return an option for each field of these classes, or for those in ``only``; defaults are None or empty."""
    return [
        option
        for cls in classes
        for name, hint in get_type_hints(cls, include_extras=True).items()
        if (not only or name in only) and name not in without
        for option in _options(name, hint, getattr(cls, name, None))
    ]


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given. A variable on the command line wins over one in a file."""
    told = {name: value for name, value in options.items() if value not in (None, (), {})}
    from_file = told.pop("variables_file", None)
    if from_file is not None:
        sources = [from_file, told.get("variables", {})]
        wrong = next((source for source in sources if not isinstance(source, dict)), None)
        told["variables"] = {**from_file, **told.get("variables", {})} if wrong is None else wrong
    return told


def _options(name: str, hint: Any, default: Any) -> list[click.Option]:
    kind, told = get_args(hint)
    if get_origin(kind) in (Union, types.UnionType):
        kind = get_args(kind)[0] if len(get_args(kind)) == 2 else str  # the other one is None
    several = get_origin(kind) in (dict, tuple) and name != "variables"
    flag = "--" + (name[:-1] if several else name).replace("_", "-")
    usual = {True: "yes", (): None}.get(default, default) if kind is not bool or default else None
    extra: dict[str, Any] = {"help": told.text + (f"  [default: {usual}]" if usual is not None else "")}
    if kind is bool:
        extra["is_flag"], extra["default"] = True, None
        flag = f"{flag}/--no{flag[1:]}" if default is not False else flag
    elif get_origin(kind) is Literal:
        extra["type"] = click.Choice(get_args(kind))
    else:
        extra["metavar"] = told.metavar
        extra["type"] = kind if kind in (int, float) else None
        extra["multiple"] = several
        extra["callback"] = {"JSON": _json, "PREFIX=PLACE": _pairs}.get(told.metavar)
    options = [click.Option([flag, name], **extra)]
    if name == "variables":
        same = "The same, from a file."
        options.append(click.Option([f"{flag}-file"], callback=_json_file, metavar="FILE", help=same))
    return options


def _json(_: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    if value is None:
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"not JSON: {error}", param=parameter) from error


def _json_file(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    if value is None:
        return None
    try:
        text = Path(value).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"cannot be read: {error}", param=parameter) from error
    return _json(context, parameter, text)


def _pairs(_: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.rpartition("=") for text in value]  # the last one: a prefix may have a query
    if any(not prefix or not place for prefix, _, place in pairs):
        raise click.BadParameter("write PREFIX=PLACE", param=parameter)
    return {prefix: place for prefix, _, place in pairs}
