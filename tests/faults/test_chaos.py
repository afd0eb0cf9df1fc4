"""A few rounds of the chaos command, and of renders under conditions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CHAOS = Path(__file__).with_name("chaos.py")


def play(*options: str) -> str:
    command = subprocess.run(
        [sys.executable, CHAOS, "--seed", "7", *options], capture_output=True, text=True, timeout=1500, check=False
    )
    assert command.returncode == 0, command.stdout + command.stderr
    return command.stdout


def test_six_rounds_of_chaos_end_with_the_same_video_and_nothing_left():
    assert "6 rounds, 0 failed" in play("--rounds", "6")


@pytest.mark.parametrize(
    "condition", ["full output", "flaky store", "no /dev/shm", "closed stdin and stdout", "hang up"]
)
def test_a_render_under_a_condition_ends_right_or_typed(condition):
    assert "1 rounds, 0 failed" in play("--conditions", "--only", condition)
