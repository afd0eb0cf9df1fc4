"""Diagnose what a render would use on this machine, by trying it."""

from __future__ import annotations

import platform
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from distributed.system import MEMORY_LIMIT
from msgspec import Struct, field

from hfdask._version import __version__
from hfdask.browser import browser_thread
from hfdask.browser.capabilities import capture_mode, shared_files
from hfdask.browser.chromium import PROFILE_ROOM
from hfdask.browser.confine import try_out
from hfdask.browser.discovery import REMEDY, browser_version, find_browser, sandbox_possible
from hfdask.browser.environment import current_environment, platform_name
from hfdask.browser.memory import browser_limit
from hfdask.core.cores import cores
from hfdask.core.model import CaptureMode
from hfdask.core.scratch import MEMORY, shared_folder
from hfdask.errors import BrowserError, HfdaskError
from hfdask.fonts.configuration import machine_fonts
from hfdask.fonts.families import CANONICAL
from hfdask.fonts.install import fonts_folder
from hfdask.media.sound_file import AAC
from hfdask.media.video_file import usual_decoders
from hfdask.sound.encode import can_encode
from hfdask.store.cache import Cache

LITTLE_DISK = 10**9
"""Warn if the disk has fewer free bytes than this."""

_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/shmem_enabled")


class Diagnosis(Struct):
    """Facts for people, warnings about speed or looks, and problems that prevent renders."""

    facts: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-safe form."""
        return {"facts": self.facts, "warnings": self.warnings, "problems": self.problems, "ok": not self.problems}


def diagnose() -> Diagnosis:
    """Diagnose the browser, the libraries and the machine. It starts the browser once."""
    report = Diagnosis()
    facts = report.facts
    facts["hfdask"] = __version__
    facts["python"] = platform.python_version()
    for name in ("dask", "distributed", "playwright", "fsspec", "av"):
        facts[name] = version(name)
    facts["platform"] = platform_name()
    facts["cores"] = str(cores())
    _look_at_browser(report)
    _look_at_decoders(report)
    _look_at_sound(report)
    _look_at_fonts(report)
    _look_at_machine(report)
    return report


def _look_at_browser(report: Diagnosis) -> None:
    try:
        found = find_browser()
        report.facts["browser"] = f"{found.path} (from {found.source})"
        report.facts["browser version"] = browser_version(found.path)
        report.facts["sandbox"] = "on" if sandbox_possible() else "off (root, or no user namespaces)"
        report.facts["ffmpeg"] = current_environment().ffmpeg
        mode = capture_mode("auto")
        confined = try_out()
    except HfdaskError as error:
        report.problems.append(f"{error.code}: {error.message}")
        return
    report.facts["capture"] = mode
    report.facts["network"] = str(confined)
    if not confined.private:
        report.warnings.append(
            f"no network namespace for the browser, only {confined}: allow unprivileged user namespaces, or read "
            "docs/decisions/browser-network.md about the risk"
        )
    if mode != "beginframe":
        report.warnings.append(f"no BeginFrame: the slower screenshot mode is used; for a headless shell, {REMEDY}")
    _look_at_shared_files(report, mode)


def _look_at_shared_files(report: Diagnosis, mode: CaptureMode) -> None:
    try:
        folder = shared_files(mode)
    except HfdaskError as error:
        report.problems.append(f"{error.code}: {error.message}")
        return
    room = _gigabytes(PROFILE_ROOM)
    if folder is None:
        report.facts["pictures of videos"] = "by the page server"
        report.warnings.append(
            f"no files are shared with the browser, so pictures of videos reach it more slowly: see that {MEMORY} has {room} free"
        )
    elif folder.is_relative_to(MEMORY):
        report.facts["pictures of videos"] = f"by a file in {MEMORY}, which has {_gigabytes(_free(MEMORY))} free"
    else:
        report.facts["pictures of videos"] = f"by a file in {folder.parent}"
        report.warnings.append(
            f"pictures of videos pass through a disk, as {MEMORY} is missing or has less than {room} free: "
            "give it more room (`docker run --shm-size=1g`)"
        )


def _look_at_decoders(report: Diagnosis) -> None:
    decoders = usual_decoders()
    report.facts["decoders"] = ", ".join(kind for kind, there in decoders.items() if there)
    missing = [kind for kind, there in decoders.items() if not there]
    if missing:
        report.warnings.append(
            f"PyAV cannot decode {', '.join(missing)}: install PyAV from PyPI, whose FFmpeg has all of them"
        )


def _look_at_sound(report: Diagnosis) -> None:
    possible = can_encode(AAC)
    report.facts["sound"] = "AAC" if possible else "no encoder"
    if not possible:
        report.warnings.append(
            "PyAV cannot encode AAC, so videos with sound cannot be assembled here: install PyAV from PyPI, whose FFmpeg can"
        )


def _look_at_fonts(report: Diagnosis) -> None:
    try:
        world = machine_fonts()
    except BrowserError as error:
        report.problems.append(f"{error.code}: {error.message}")
        return
    theirs = [face for face in world.faces if face.file not in world.own]
    wanted = sum(len(canonical.weights) for canonical in CANONICAL)
    families = {face.families[0] for face in theirs if face.families}
    report.facts["fonts"] = f"{len(theirs)} faces of {len(families)} families on this machine"
    report.facts["canonical fonts"] = f"{len(world.own)} of {wanted} faces in {fonts_folder()}"
    if len(world.own) < wanted:
        report.warnings.append(
            "text in system fonts may look different on each planning machine: run `hfdask install-fonts`"
        )
    if not world.faces:
        report.warnings.append("this machine has no fonts: only text in fonts of the project is drawn")


def _look_at_machine(report: Diagnosis) -> None:
    free = _free(shared_folder())
    report.facts["disk"] = f"{_gigabytes(free)} free in {shared_folder()}"
    if free < LITTLE_DISK:
        report.warnings.append(
            f"{shared_folder()} has only {_gigabytes(free)} left: chunks are written there before they go to the store"
        )
    try:
        limit = browser_limit(browser_thread().pool.share, 1)
        cache = Cache()
        used = cache.used()
        report.facts["memory"] = f"{_gigabytes(MEMORY_LIMIT)}, of which a browser may take {_gigabytes(limit)}"
        report.facts["cache"] = f"{_gigabytes(used)} of at most {_gigabytes(cache.limit(used))} in {cache.folder}"
    except (HfdaskError, OSError) as error:
        report.problems.append(str(error))
    if _HUGE_PAGES.exists():
        chosen = _HUGE_PAGES.read_text().partition("[")[2].partition("]")[0]
        report.facts["huge pages"] = f"{chosen} (for shared memory; 'always' saves CPU time in the compositor)"


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
