"""The command line's options, made from the fields of `hfdask.RenderConfig` and `hfdask.JobConfig`."""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import click

import hfdask

_Command = Callable[..., None]


def options_of(
    *classes: type[hfdask.RenderConfig | hfdask.JobConfig], only: Collection[str] = ()
) -> Callable[[_Command], _Command]:
    """Give a command an option for each field of these classes, or for those in ``only``; defaults are None or empty."""

    def decorate(command: _Command) -> _Command:
        for cls in reversed(classes):
            for name, hint in reversed(get_type_hints(cls, include_extras=True).items()):
                if not only or name in only:
                    for option in reversed(_options(name, hint, getattr(cls, name, None))):
                        command = option(command)
        return command

    return decorate


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given. A variable on the command line wins over one in a file."""
    told = {name: value for name, value in options.items() if value not in (None, (), {})}
    from_file = told.pop("variables_file", None)
    if from_file is not None:
        sources = [from_file, told.get("variables", {})]
        wrong = next((source for source in sources if not isinstance(source, dict)), None)
        told["variables"] = {**from_file, **told.get("variables", {})} if wrong is None else wrong
    return told


def _options(name: str, hint: Any, default: Any) -> list[Callable[[_Command], _Command]]:
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
    options: list[Callable[[_Command], _Command]] = [click.option(flag, name, **extra)]
    if name == "variables":
        options.append(click.option(f"{flag}-file", callback=_json_file, metavar="FILE", help="The same, from a file."))
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
