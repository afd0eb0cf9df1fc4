"""Capture and encoding of a chunk."""

from __future__ import annotations

import time

import pytest

import hfdask

pytestmark = pytest.mark.usefixtures("fake_browser")


def test_a_chunk_ends_when_its_last_frame_is_encoded_and_waits_for_nothing(project, tmp_path, monkeypatch):
    plan = hfdask.plan(project(), tmp_path / "plan", chunk_size=30)
    monkeypatch.setattr("hfdask.rendering.pipeline._POLL", 60)
    began = time.monotonic()
    hfdask.render_chunk(plan.url, 0, tmp_path / "0.mp4")
    assert time.monotonic() - began < 30
