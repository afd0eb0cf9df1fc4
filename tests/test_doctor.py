"""What `hfdask doctor` says about videos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import hfdask
from hfdask.browser.slots import Slots
from hfdask.cli import main
from hfdask.core import scratch
from hfdask.diagnostics import doctor
from hfdask.diagnostics.doctor import Diagnosis
from hfdask.media import video_file
from hfdask.media.sound_file import Encoding

FACT = "pictures of videos"


def diagnose() -> dict[str, Any]:
    hfdask.close_browsers()  # so that its profile is made anew
    report: dict[str, Any] = json.loads(CliRunner().invoke(main, ["doctor", "--json"]).stdout)
    return report


def test_decoders_are_told_and_missing_ones_are_a_warning(monkeypatch):
    monkeypatch.setitem(video_file._USUAL, "ProRes", ("nothing",))
    report = Diagnosis()
    doctor._look_at_decoders(report)
    assert report.facts["decoders"].startswith("H.264, HEVC, VP8, VP9, AV1, transparency")
    assert report.warnings == ["PyAV cannot decode ProRes: install PyAV from PyPI, whose FFmpeg has all of them"]


def test_the_encoder_of_sound_is_told_and_a_missing_one_is_a_warning(monkeypatch):
    report = Diagnosis()
    doctor._look_at_sound(report)
    assert (report.facts["sound"], report.warnings) == ("AAC", [])
    monkeypatch.setattr(doctor, "AAC", Encoding("nothing", "mp4", "m4a"))
    doctor._look_at_sound(report)
    assert report.facts["sound"] == "no encoder"
    assert ["install PyAV from PyPI" in warning for warning in report.warnings] == [True]


@pytest.mark.browser
def test_a_browser_that_shares_files_in_memory_is_no_warning():
    report = diagnose()
    assert report["facts"][FACT].startswith("by a file in /dev/shm")
    assert not any("videos" in warning for warning in report["warnings"])


@pytest.mark.browser
def test_too_little_memory_for_shared_files_is_a_warning(monkeypatch, tmp_path):
    monkeypatch.setattr(scratch, "MEMORY", tmp_path / "none")
    report = diagnose()
    hfdask.close_browsers()
    assert not report["facts"][FACT].startswith("by a file in /dev/shm")
    assert any("--shm-size" in warning for warning in report["warnings"])


@pytest.mark.browser
def test_a_browser_without_shared_files_is_a_warning(monkeypatch):
    def finds_none(_: Slots, __: Path) -> bool:
        return False

    monkeypatch.setattr(Slots, "map_file", finds_none)
    report = diagnose()
    assert report["facts"][FACT] == "by the page server"
    assert any("more slowly" in warning for warning in report["warnings"])
