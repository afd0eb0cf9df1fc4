"""Install a headless shell on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable

from hfdask.browser.discovery import REMEDY, Browser, browser_version, find_browser
from hfdask.errors import BrowserNotFoundError

PACKAGE = "chromium-headless-shell"
_TIMEOUT = 900


def install_browser(say: Callable[[str], None] = print) -> str:
    """Install a headless shell unless there is one; return a line about the shell that will be used.

    Parameters
    ----------
    say : callable
        Called with a text for each step.

    Raises
    ------
    BrowserNotFoundError
        The message lists the attempts and what to do.
    """
    tried: list[str] = []
    for name, command in _ways():
        if found := _usable():
            return _line(found)
        say(f"trying {name}: {' '.join(command)}")
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT, check=False, env=_quiet_environment()
        )
        if run.returncode:
            last = (run.stderr or run.stdout).strip().splitlines()[-1:] or ["no output"]
            tried.append(f"{name}: {last[0][:200]}")
    if found := _usable():
        return _line(found)
    raise BrowserNotFoundError(
        f"no headless shell could be installed ({'; '.join(tried) or 'no method known'}); {REMEDY}"
    )


def _ways() -> list[tuple[str, list[str]]]:
    ways = [("Playwright", [sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"])]
    apt = shutil.which("apt-get")
    if apt:
        sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
        # Debian's packages first if available: the system keeps them up to date.
        ways[:0] = [
            ("apt-get update", [*sudo, apt, "update", "-qq"]),
            ("apt-get install", [*sudo, apt, "install", "-y", "-qq", "--no-install-recommends", PACKAGE]),
        ]
    return ways


def _quiet_environment() -> dict[str, str]:
    return {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}


def _usable() -> Browser | None:
    try:
        found = find_browser()
        browser_version(found.path)
    except BrowserNotFoundError:
        return None
    return found if found.headless_shell else None


def _line(found: Browser) -> str:
    return f"{found.path} {browser_version(found.path)} (from {found.source})"
