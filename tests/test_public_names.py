"""The package's public surface: `hfdask.__all__` and `hfdask.errors`."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from typing import Any

import distributed

import hfdask

FUNCTIONS = [name for name in hfdask.__all__ if inspect.isfunction(getattr(hfdask, name))]
CLASSES = [name for name in hfdask.__all__ if inspect.isclass(getattr(hfdask, name))]


def test_all_is_sorted_and_each_name_is_where_it_is_said_to_be():
    assert list(hfdask.__all__) == sorted(hfdask.__all__)
    assert {*hfdask._HOME, "errors"} == {*hfdask.__all__}
    for name, module in hfdask._HOME.items():
        value = getattr(importlib.import_module(f"hfdask.{module}"), name)
        assert getattr(hfdask, name) is value
        if inspect.isfunction(value) or inspect.isclass(value):
            assert value.__module__ in (f"hfdask.{module}", "hfdask.browser.loop"), name


def test_no_module_has_a_public_function_s_name():
    for name in FUNCTIONS:
        code = f"import hfdask.{name}"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "ModuleNotFoundError" in done.stderr, code


def named_in(hint: Any) -> Iterator[type]:
    """All of hfdask's own classes in a type hint."""
    if inspect.isclass(hint) and hint.__module__.startswith("hfdask."):
        yield hint
    for part in typing.get_args(hint):
        if not isinstance(part, list):
            yield from named_in(part)
        else:
            for each in part:
                yield from named_in(each)


def hints_of(name: str) -> Iterator[Any]:
    value = getattr(hfdask, name)
    if inspect.isclass(value):
        own = [member for key, member in vars(value).items() if not key.startswith("_")]
        for member in own:
            function = getattr(member, "fget", None) or getattr(member, "__func__", member)
            if inspect.isfunction(function):
                yield from typing.get_type_hints(function, namespace_of(function)).values()
    else:
        yield from typing.get_type_hints(value, namespace_of(value)).values()


def namespace_of(function: Any) -> dict[str, Any]:
    classes = {name: getattr(hfdask, name) for name in CLASSES}
    return {"Client": distributed.Client, **vars(sys.modules[function.__module__]), **classes}


def attributes_of(name: str) -> Iterator[Any]:
    """The types of the attributes that a class documents."""
    value = getattr(hfdask, name)
    documented = re.findall(r"^(\w[\w, ]*) :", inspect.getdoc(value) or "", re.MULTILINE)
    for attribute, hint in typing.get_type_hints(
        value, None, {each: getattr(hfdask, each) for each in CLASSES}
    ).items():
        if any(attribute in line.split(", ") for line in documented):
            yield hint


def test_every_class_that_a_public_signature_names_is_public():
    public = {getattr(hfdask, name) for name in CLASSES}
    hints = [hint for name in [*FUNCTIONS, *CLASSES] for hint in hints_of(name)]
    hints += [hint for name in CLASSES for hint in attributes_of(name)]
    named = {each for hint in hints for each in named_in(hint)}
    assert {each for each in named - public if not issubclass(each, hfdask.HfdaskError)} == set()


def test_names_are_imported_when_they_are_used():
    code = """
import sys, hfdask
heavy = {"dask", "distributed", "playwright", "av", "tree_sitter", "numpy", "fsspec"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
assert "render" in dir(hfdask)
hfdask.assemble
assert not {"dask", "distributed", "playwright"} & set(sys.modules)
hfdask.still
assert not {"aiohttp", "dask", "distributed", "rich", "scipy"} & set(sys.modules)
hfdask.render
assert not {"aiohttp", "bokeh", "distributed", "matplotlib", "pandas", "s3fs", "scipy"} & set(sys.modules)
from hfdask import *
assert render and errors and __version__
try:
    hfdask.nothing
except AttributeError as error:
    assert "nothing" in str(error)
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
