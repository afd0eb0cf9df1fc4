"""Forks of a process that has used hfdask: they work, or say at once that they must be spawned."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

SECONDS = 120
"""Whatever hangs ends after this time, with a test that fails."""

SCRIPT = """
import concurrent.futures, json, multiprocessing, os, sys, threading, time
import hfdask

project, folder = sys.argv[1:]

CALLS = {{
    "check": lambda: len(hfdask.check(project).files),
    "still": lambda: hfdask.still(project, 0, f"{{folder}}/child.png"),
    "plan": lambda: hfdask.plan(project, f"{{folder}}/child-plan").manifest.frames,
    "chunk": lambda: hfdask.render_chunk(f"{{folder}}/plan", 0, f"{{folder}}/child/0.mp4").frames,
    "assemble": lambda: hfdask.assemble(f"{{folder}}/plan", [], f"{{folder}}/child.mp4"),
    "compare": lambda: hfdask.compare(f"{{folder}}/own.mp4", f"{{folder}}/own.mp4").identical,
    "render": lambda: hfdask.render(project, f"{{folder}}/child.mp4").frames,
    "submit": lambda: hfdask.submit(project, f"{{folder}}/child.mp4", client=None),
}}

def called(name):
    began = time.monotonic()
    try:
        answer = CALLS[name]()
    except hfdask.HfdaskError as error:
        assert time.monotonic() - began < 5, "not at once"
        answer = error.code
        assert answer != "FORKED_PROCESS" or "spawn" in error.message
    return name, answer

def forked(*names):
    child = os.fork()
    if not child:
        told(map(called, names))
        sys.exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7

def told(answers):
    for name, answer in answers:
        print(json.dumps([name, answer]), flush=True)

def main():
{body}

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def source(project) -> Path:
    """A project that is rendered soon."""
    folder: Path = project(**{"hfdask.toml": "[render]\nfps = 6\nworkers = 1"})
    return folder


def run(tmp_path: Path, project: Path, body: str) -> dict[str, object]:
    """Return the results of calls in children of a process that runs ``body``."""
    script = tmp_path / "script.py"
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    script.write_text(SCRIPT.format(body=lines), "utf-8")
    command = [sys.executable, "-W", "ignore", str(script), str(project), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(line) for line in done.stdout.splitlines())


@pytest.mark.slow
def test_a_process_that_was_forked_before_anything_was_used_works(source, tmp_path):
    assert run(tmp_path, source, "forked('render')") == {"render": 6}


@pytest.mark.slow
def test_a_process_that_was_forked_after_a_still_works(source, tmp_path):
    body = """
hfdask.plan(project, f"{folder}/plan", chunk_size=3)
hfdask.still(project, 0, f"{folder}/own.png")
forked("check", "still", "chunk", "render")
told([called("check")])
"""
    assert run(tmp_path, source, body) == {"check": 1, "still": 0, "chunk": 3, "render": 6}


@pytest.mark.slow
def test_after_a_render_only_what_needs_dask_is_refused(source, tmp_path):
    body = """
hfdask.render(project, f"{folder}/own.mp4", plan_dir=f"{folder}/plan", chunk_size=3)
forked("check", "still", "plan", "chunk", "compare", "render", "submit")
"""
    wanted = {"check": 1, "still": 0, "plan": 6, "chunk": 3, "compare": True}
    assert run(tmp_path, source, body) == {**wanted, "render": "FORKED_PROCESS", "submit": "FORKED_PROCESS"}


@pytest.mark.slow
def test_a_fork_during_a_render_is_refused_and_the_render_goes_on(source, tmp_path):
    body = """
own = threading.Thread(target=lambda: told([("frames", hfdask.render(project, f"{folder}/own.mp4", chunk_size=2).frames)]))
own.start()
while not os.path.exists(f"{folder}/.hfdask/own.mp4/plan.json"):
    time.sleep(0.01)
forked(*CALLS)
own.join()
"""
    names = ["check", "still", "plan", "chunk", "assemble", "compare", "render", "submit"]
    assert run(tmp_path, source, body) == {**dict.fromkeys(names, "FORKED_PROCESS"), "frames": 6}


@pytest.mark.slow
def test_a_fork_during_a_check_of_another_thread_is_refused(source, tmp_path):
    body = """
gate, entered = threading.Event(), threading.Event()
from hfdask import check as module
checked = sys.modules["hfdask.checking.check"].check_project
def slow(*args):
    entered.set()
    gate.wait()
    return checked(*args)
sys.modules["hfdask.checking.check"].check_project = slow
thread = threading.Thread(target=lambda: told([called("check")]))
thread.start()
entered.wait()
forked("still")
gate.set()
thread.join()
"""
    assert run(tmp_path, source, body) == {"still": "FORKED_PROCESS", "check": 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    "pool",
    [
        pytest.param("multiprocessing.get_context('fork').Pool(1)", id="Pool"),
        pytest.param("concurrent.futures.ProcessPoolExecutor(1, FORK)", id="ProcessPoolExecutor"),
    ],
)
def test_pools_that_fork_after_a_render(pool, source, tmp_path):
    body = f"""
FORK = multiprocessing.get_context("fork")
hfdask.render(project, f"{{folder}}/own.mp4", chunk_size=2)
with {pool} as pool:
    told(pool.map(called, ["check", "render"]))
"""
    assert run(tmp_path, source, body) == {"check": 1, "render": "FORKED_PROCESS"}
