"""The recommended configuration of Dask, which `hfdask doctor --scheduler` compares a cluster with."""

from __future__ import annotations

from hfdask.diagnostics.fleet import RECOMMENDED, recommended


def test_the_recommended_configuration_is_in_the_package():
    assert RECOMMENDED.is_file()
    settings = dict(recommended())
    assert (settings["distributed.worker.memory.spill"], settings["distributed.worker.memory.pause"]) == (False, 0.8)
