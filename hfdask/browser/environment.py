"""What this process would render with, and how it differs from what a plan was locked to."""

from __future__ import annotations

import platform

import av
import msgspec

from hfdask.browser.discovery import browser_version, find_browser
from hfdask.core.model import Environment
from hfdask.errors import BrowserNotFoundError, EnvironmentMismatchError
from hfdask.page import runtime_digest


def current_environment() -> Environment:
    """This process's system and architecture, browser, libraries and page runtime.

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
    """System and architecture, such as ``Linux x86_64``."""
    return f"{platform.system()} {platform.machine()}"


def environment_differences(planned: Environment) -> dict[str, dict[str, str]]:
    """What this process would render with that is not what was planned: ``{field: {"planned": ..., "here": ...}}``."""
    there = msgspec.structs.asdict(planned)
    try:
        here = msgspec.structs.asdict(current_environment())
    except BrowserNotFoundError as error:
        return {"browser": {"planned": planned.browser, "here": f"none ({error.code})"}}
    return {name: {"planned": there[name], "here": here[name]} for name in there if there[name] != here[name]}


def require_environment(planned: Environment) -> None:
    """Refuse to render with anything but what was planned.

    Raises
    ------
    EnvironmentMismatchError
        With each difference; a worker of the planner's image has none.
    """
    different = environment_differences(planned)
    if different:
        listed = "; ".join(f"{name}: planned {two['planned']}, here {two['here']}" for name, two in different.items())
        raise EnvironmentMismatchError(
            f"this process does not match the plan: {listed}; use the same image everywhere, or plan again here",
            differences=different,
        )
