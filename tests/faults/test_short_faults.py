"""A short video survives the loss of its browser, and leaves nothing behind if its process is killed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from aftermath import below, is_browser, running, until
from samples import SLOW
from short_videos import Rows, loads, long_way

import hfdask

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("nothing_left")]

PROGRAM = """
import sys
from pathlib import Path

from hfdask import Observer
from hfdask.config import RenderConfig
from hfdask.planning.planning import freeze
from hfdask.rendering.short import render_short
from hfdask.store import Snapshot, Store

source, folder = Path(sys.argv[1]), Path(sys.argv[2])

class Teller(Observer):
    def progress(self, done, total):
        (folder / "done").write_text(str(done))

with Snapshot(Store(folder / "frozen")) as snapshot:
    frozen = freeze(source, RenderConfig(), snapshot)
    files = {each.path: snapshot.file(each.sha256) for each in frozen.artifacts}
options = RenderConfig(fps=10, check="off")
render_short(frozen, files, folder / "out.mp4", options, limit=40, plan_url=folder / "plan", observer=Teller())
"""


@pytest.mark.slow
def test_a_process_that_is_killed_in_the_middle_of_a_short_video_leaves_nothing(
    project: Callable[..., Path], tmp_path: Path
) -> None:
    source, folder = project(SLOW), tmp_path / "rows"
    folder.mkdir()
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    process = subprocess.Popen([sys.executable, program, source, folder], start_new_session=True)
    try:
        done = folder / "done"
        assert until(lambda: done.exists() and int(done.read_text() or 0) > 5, 60)
        tree = psutil.Process(process.pid).children(recursive=True)
        assert any(map(is_browser, tree))
    finally:
        process.kill()
        process.wait()
    assert until(lambda: not running(tree), 5), running(tree)
    assert {path.name for path in folder.iterdir()} == {"done", "frozen"}


class Killer(hfdask.Observer):
    """Kills the browser once, at frame 5."""

    def __init__(self) -> None:
        self.killed = False

    def progress(self, done: int, total: int) -> None:
        if done == 5 and not self.killed:
            self.killed = True
            for process in filter(is_browser, below()):
                with contextlib.suppress(psutil.Error):
                    process.kill()


@pytest.mark.slow
def test_a_film_begins_anew_in_another_browser(project: Callable[..., Path], tmp_path: Path) -> None:
    source = project(SLOW)
    long_way(source, tmp_path, fps=10)
    killer = Killer()
    with loads() as entries:
        Rows(source, tmp_path).render(fps=10, observer=killer)
    assert killer.killed
    assert entries == ["index.html"] * 2  # the film's page, twice
    assert (tmp_path / "short.mp4").read_bytes() == (tmp_path / "long.mp4").read_bytes()
