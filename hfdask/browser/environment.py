"""The software of this process, and its differences from the software that a plan is locked to."""

from __future__ import annotations

import platform

import av
import msgspec

from hfdask.browser.discovery import browser_version, find_browser
from hfdask.core.model import Environment
from hfdask.errors import BrowserNotFoundError, EnvironmentMismatchError
from hfdask.page import runtime_digest


def current_environment() -> Environment:
    """Return this process's system and architecture, browser, libraries and page runtime.

    Raises
    ------
    BrowserNotFoundError
    """
    libraries = " ".join(
        f"{name.removeprefix('lib')} {'.'.join(map(str, version))}"
        for name, version in sorted(av.library_versions.items())
    )
    return Environment(
        platform=platform_name(),
        browser=browser_version(find_browser().path),
        pyav=av.__version__,
        ffmpeg=libraries,
        runtime=runtime_digest(),
    )


def platform_name() -> str:
    """Return system and architecture, such as ``Linux x86_64``."""
    return f"{platform.system()} {platform.machine()}"


def environment_differences(planned: Environment) -> dict[str, dict[str, str]]:
    """Return the differences of this process from the plan: ``{field: {"planned": ..., "here": ...}}``."""
    there = msgspec.structs.asdict(planned)
    try:
        here = msgspec.structs.asdict(current_environment())
    except BrowserNotFoundError as error:
        return {"browser": {"planned": planned.browser, "here": f"none ({error.code})"}}
    return {name: {"planned": there[name], "here": here[name]} for name in there if there[name] != here[name]}


def require_environment(planned: Environment) -> None:
    """Raise an error if this process's software does not match the plan.

    Raises
    ------
    EnvironmentMismatchError
        The message lists the differences. A worker with the planner's image has none.
    """
    different = environment_differences(planned)
    if different:
        listed = "; ".join(f"{name}: planned {two['planned']}, here {two['here']}" for name, two in different.items())
        raise EnvironmentMismatchError(
            f"this process does not match the plan: {listed}; use the same image everywhere, or plan again here",
            differences=different,
        )
