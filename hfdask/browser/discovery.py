"""Find the Chromium to use, and its version.

Only a headless-shell build has BeginFrame, the exact and fast way to capture. Any other Chromium can only take
screenshots. So headless shells come first, from any source.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

from msgspec import Struct

from hfdask.errors import BrowserNotFoundError

ENV_BROWSER = "HFDASK_BROWSER"

_SHELLS = ("chrome-headless-shell", "chromium-headless-shell", "headless_shell")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Debian's launchers on the PATH are shell scripts around these: starting the binary itself makes it our child.
_DEBIAN = Path("/usr/lib/chromium")

REMEDY = (
    "run `hfdask install-browser`, or install a headless shell yourself (`playwright install chromium-headless-shell`, "
    f"or on Debian `apt-get install chromium-headless-shell`), or set {ENV_BROWSER} to the path of one"
)


class Browser(Struct, frozen=True):
    """A Chromium binary; ``headless_shell`` is true if it may support BeginFrame."""

    path: Path
    source: str
    headless_shell: bool


def find_browser() -> Browser:
    """Find the Chromium to render with.

    The order is: the variable ``HFDASK_BROWSER``, Playwright's headless shell, a headless shell on the PATH, any
    Chromium or Chrome on the PATH.

    Raises
    ------
    BrowserNotFoundError
        If there is none, or ``HFDASK_BROWSER`` is not an executable file.
    """
    chosen = os.environ.get(ENV_BROWSER)
    if chosen:
        path = _unwrap(Path(chosen).expanduser())
        if not (path.is_file() and os.access(path, os.X_OK)):
            raise BrowserNotFoundError(f"{ENV_BROWSER}={chosen} is not an executable file; {REMEDY}", path=chosen)
        return Browser(path, ENV_BROWSER, _is_shell(path))
    for path in _playwright_shells():
        return Browser(path, "playwright", True)
    for name in (*_SHELLS, *_BROWSERS):
        found = shutil.which(name)
        if found:
            path = _unwrap(Path(found))
            return Browser(path, "PATH", _is_shell(path))
    raise BrowserNotFoundError(f"no Chromium on this machine; {REMEDY}")


@functools.cache
def browser_version(path: Path) -> str:
    """Return the version that the binary prints, such as ``156.0.8078.79``.

    Raises
    ------
    BrowserNotFoundError
        If the binary does not run.
    """
    try:
        run = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BrowserNotFoundError(f"{path} does not run: {error}; {REMEDY}", path=str(path)) from error
    match = re.search(r"\d+(\.\d+){3}", run.stdout)
    if not match:
        said = (run.stderr or run.stdout).strip()[-300:]
        raise BrowserNotFoundError(f"{path} --version gives no version ({said!r}); {REMEDY}", path=str(path))
    return match[0]


def sandbox_possible() -> bool:
    """Return true if Chromium's own sandbox can run: not as root, and only with user namespaces."""
    if os.geteuid() == 0:
        return False
    for name, off in (("unprivileged_userns_clone", "0"), ("apparmor_restrict_unprivileged_userns", "1")):
        setting = Path("/proc/sys/kernel") / name
        if setting.exists() and setting.read_text().strip() == off:
            return False
    return shutil.which("unshare") is None or _can_unshare()


@functools.cache
def _can_unshare() -> bool:
    run = subprocess.run(["unshare", "--user", "true"], capture_output=True, timeout=10, check=False)
    return run.returncode == 0


def _is_shell(path: Path) -> bool:
    return "headless-shell" in path.name or "headless_shell" in path.name


def _unwrap(path: Path) -> Path:
    binary = _DEBIAN / path.name
    return binary if path.parent == Path("/usr/bin") and binary.is_file() else path


def _playwright_shells() -> list[Path]:
    base = os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or "~/.cache/ms-playwright"
    found = Path(base).expanduser().glob("chromium_headless_shell-*/*/*")
    shells = [path for path in found if path.name in _SHELLS and os.access(path, os.X_OK)]
    return sorted(shells, key=lambda path: int(path.parts[-3].rpartition("-")[2]), reverse=True)
