"""The benchmark that compares renderers: runs in turn, ratios in pairs, and who used the CPU. No browser is needed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from measure import Renderer, Run
from peer_report import BEGIN, END, Contest, markdown, replace_block
from process_tree import Usage, kind_of
from samples import REPOSITORY
from showcase import SHOWCASES, write_photo
from video_samples import bar_code_video

BENCHMARKS = REPOSITORY / "benchmarks"

RENDERER = """
import json, pathlib, shutil, sys, time
project, output, video, busy = sys.argv[1:]
left = pathlib.Path(project, "left by a renderer")
if left.exists() and left.read_text() != video:
    sys.exit("found a file of another renderer")
left.write_text(video)
if video == "none":
    sys.exit("cannot render " + project)
while time.process_time() < float(busy):
    pass
shutil.copy(video, output)
print(json.dumps({"frames": 6, "static_frames": 1, "stages": {"capture": 0.25, "total": 0.5}}))
"""


@dataclass(frozen=True)
class Outcome:
    """Numbers that `peer.py` wrote, and the page whose tables it replaced."""

    status: int
    runs: list[dict[str, Any]]
    agreements: dict[str, Any]
    page: str


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A round of one project, and one more: `slow` uses more CPU than `quick`, and has a frame less; `broken` fails."""
    folder = tmp_path_factory.mktemp("contest")
    script, page, numbers = folder / "renderer.py", folder / "page.md", folder / "peer.json"
    script.write_text(RENDERER)
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    (folder / "project").mkdir()
    quick, slow = bar_code_video(folder / "quick.mp4", 6), bar_code_video(folder / "slow.mp4", 5, first=1)
    start = f"{sys.executable} {script} {{project}} {{output}}"
    command = [sys.executable, str(BENCHMARKS / "peer.py"), str(folder / "project"), "--rounds", "1"]
    command += ["--ours", f"quick={start} {quick} 0.1", "--peer", f"slow={start} {slow} 0.4"]
    command += ["--peer", f"broken={start} none 0", "--json", str(numbers), "--markdown", str(page)]
    for more in ([], ["--more", str(numbers)]):
        status = subprocess.run([*command, *more], check=False, capture_output=True, timeout=100).returncode
    document = json.loads(numbers.read_bytes())
    return Outcome(status, document["runs"], document["agreements"], page.read_text())


@pytest.mark.slow
def test_the_first_renderer_changes_with_each_round(outcome):
    assert [run["who"] for run in outcome.runs] == ["quick", "slow", "broken", "broken", "slow", "quick"]


def test_rounds_of_other_renderers_are_not_added(tmp_path):
    (tmp_path / "project").mkdir()
    earlier = Contest("a machine", "2020-01-01", 0.0, {"ours": "a", "theirs": "b"}, {"project": "given"})
    numbers = tmp_path / "peer.json"
    numbers.write_bytes(msgspec.json.encode(earlier))
    command = [sys.executable, str(BENCHMARKS / "peer.py"), str(tmp_path / "project"), "--more", str(numbers)]
    done = subprocess.run([*command, "--peer", "x {project} {output}"], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "machine was a machine, and is" in " ".join(done.stderr.split())


def test_cpu_of_each_renderer_is_counted_by_kind_of_process(outcome):
    for run in outcome.runs:
        if not run["error"]:
            assert run["usage"]["cpu"] >= (0.1 if run["who"] == "quick" else 0.4)
            assert list(run["usage"]["cpu_by_kind"]) == ["python"]


def test_a_failed_run_is_reported_and_sets_the_exit_status(outcome):
    failed = [run for run in outcome.runs if run["error"]]
    assert {run["who"] for run in failed} == {"broken"}
    assert all("cannot render" in run["error"] for run in failed)
    assert outcome.status == 1
    assert "round 1 of project by broken failed" in outcome.page


def test_renderers_do_not_see_what_others_leave_in_a_project(outcome):
    assert not any("another renderer" in run["error"] for run in outcome.runs)


def test_pictures_are_compared_once_with_each_peer_that_succeeded(outcome):
    assert list(outcome.agreements["project"]) == ["slow"]
    near = outcome.agreements["project"]["slow"]
    assert (near["frames_ours"], near["frames_peer"]) == (6, 5)
    assert near["mean_psnr"] < 30


def test_stages_of_hfdask_come_from_its_own_document(outcome):
    [row] = [line for line in outcome.page.splitlines() if line.startswith("| project | ") and "0.25" in line]
    assert row.endswith("| 0.25 | 0.50 |")


def test_tables_replace_the_block_of_a_page(outcome):
    assert outcome.page.startswith(f"before\n{BEGIN}\n\nMeasured ")
    assert outcome.page.endswith(f"{END}\nafter\n")
    assert "old" not in outcome.page


def a_run(who: str, project: str, turn: int, wall: float, *, error: str = "", **kinds: float) -> Run:
    usage = Usage(0, False, wall, 2 * wall, 0, 0, 10**6, "pss", 1, 1, 0, 0, "", "", kinds)
    return Run(who, project, turn, usage, size=1000, error=error)


def a_contest(*runs: Run) -> Contest:
    return Contest("here", "today", 0, {"a": "a", "b": "b"}, dict.fromkeys(["p", "q"], "words"), list(runs))


def test_ratios_are_of_runs_of_the_same_round():
    # By medians it would be 3 / 2, but each round says 1 / 2.
    seconds = [(1, 2), (3, 6), (5, 10)]
    rounds = [a_run(who, "p", n, pair[place]) for n, pair in enumerate(seconds) for place, who in enumerate("ab")]
    late = [a_run("a", "p", 3, 100), a_run("b", "p", 3, 1, error="failed")]
    assert a_contest(*rounds, *late).ratio("p", "b", "wall") == 0.5


def test_the_mean_of_ratios_is_geometric():
    pairs = [("p", 1, 4), ("q", 4, 1)]
    runs = [a_run(who, name, 0, wall) for name, ours, theirs in pairs for who, wall in (("a", ours), ("b", theirs))]
    assert a_contest(*runs).mean_ratio("b", "wall") == pytest.approx(1)


def test_cpu_that_no_sample_saw_is_shown():
    kinds = a_contest(a_run("a", "p", 0, 5, renderer=6, node=1.5)).kinds("p", "a")
    assert kinds == {"renderer": 6, "node": 1.5, "unseen": 2.5}


def test_kinds_with_a_small_share_are_summed():
    text = markdown(a_contest(a_run("a", "p", 0, 50, renderer=90, node=8, npm=2), a_run("b", "p", 0, 1)))
    assert "| project | rendered by | renderer | node | unseen | others |" in text
    assert "| p | a | 90.0 | 8.0 | 0.0 | 2.0 |" in text


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (["/usr/lib/chromium/chromium-headless-shell", "--headless"], "browser"),
        (["/usr/lib/chromium/chromium-headless-shell", "--type=gpu-process", "--use-gl=angle"], "gpu-process"),
        (["/usr/lib/chromium/chromium-headless-shell --type=renderer --lang=en"], "renderer"),
        (["/home/user/.venv/bin/python3.11", "-m", "hfdask"], "python"),
        (["/opt/playwright/driver/node", "cli.js"], "node"),
        (["ffmpeg", "-i", "a.mp4"], "ffmpeg"),
        (["/usr/bin/x264"], "x264"),
        ([" "], "other"),
    ],
)
def test_processes_are_named_by_their_command_lines(command, kind):
    assert kind_of(command) == kind


@pytest.mark.parametrize("text", ["", BEGIN, f"{END}{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"])
def test_a_page_without_its_two_marks_is_refused(text):
    with pytest.raises(ValueError, match="once and in this order"):
        replace_block(text, "tables")


@pytest.mark.parametrize("text", ["render {project}", "a=render {output}"])
def test_a_command_without_its_placeholders_is_refused(text):
    with pytest.raises(ValueError, match="placeholders"):
        Renderer.parse(text, "peer")


def test_a_report_has_no_folders_of_the_machine(outcome):
    assert "- quick: `" in outcome.page
    assert "/renderer.py" not in outcome.page


def test_showcases_have_every_file_that_they_name(tmp_path):
    for case in SHOWCASES:
        if case.missing:
            continue
        project = case.make(tmp_path)
        pages = [path.read_text() for path in project.rglob("*.html")]
        assert 'data-duration="' in pages[0] + pages[-1], case.name
        for name in re.findall(r"""(?:src="|url\()([\w./-]+)""", "".join(pages)):
            assert (project / name).is_file(), f"{case.name}: {name}"


def test_photos_are_the_same_each_time(tmp_path):
    for name in ("one.jpg", "two.jpg"):
        write_photo(tmp_path / name, 320, 180, seed=1)
    assert (tmp_path / "one.jpg").read_bytes() == (tmp_path / "two.jpg").read_bytes()
