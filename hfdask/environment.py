"""What this process would render with, and how it differs from what a plan was locked to."""

from __future__ import annotations

import av
import msgspec

from hfdask.browser.find import browser_version, find_browser
from hfdask.errors import EnvironmentMismatchError
from hfdask.model import Environment
from hfdask.page import runtime_digest


def current_environment() -> Environment:
    """This process's browser, libraries and page runtime.

    Raises
    ------
    BrowserNotFoundError
    """
    libraries = " ".join(
        f"{name.removeprefix('lib')} {'.'.join(map(str, version))}"
        for name, version in sorted(av.library_versions.items())
    )
    return Environment(
        browser=browser_version(find_browser().path),
        pyav=av.__version__,
        ffmpeg=libraries,
        runtime=runtime_digest(),
    )


def require_environment(planned: Environment) -> None:
    """Refuse to render with anything but what was planned.

    Raises
    ------
    EnvironmentMismatchError
        With each difference; a worker of the planner's image has none.
    """
    here = msgspec.structs.asdict(current_environment())
    there = msgspec.structs.asdict(planned)
    different = {name: {"planned": there[name], "here": here[name]} for name in there if there[name] != here[name]}
    if different:
        listed = "; ".join(f"{name}: planned {two['planned']}, here {two['here']}" for name, two in different.items())
        raise EnvironmentMismatchError(
            f"this process would not render what was planned: {listed}; use the same image everywhere, or plan again here",
            differences=different,
        )
