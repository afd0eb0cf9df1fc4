"""Run one whole render in a separate process, like `hfdask render`, and record when each chunk began and ended.

The chunk records hold seconds by stage, but not when a chunk ran, and stages overlap: without begin and end neither a
chunk's wall time nor the time in which any chunk was busy can be known. A plugin of the embedded worker sees both, and
nothing in the package has to know that it is measured.

Called by render.py with one JSON document as its argument; prints one.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import msgspec
from distributed import Worker, WorkerPlugin

import hfdask
from hfdask.cluster.local import client_for
from hfdask.cluster.names import CHUNK_PREFIX

PLUGIN = "benchmark"


class ChunkTimes(WorkerPlugin):
    """Notes the begin and end of chunk tasks by chunk index, on the clock of `time.perf_counter`."""

    name = PLUGIN

    def __init__(self) -> None:
        self.times: dict[int, tuple[float, float]] = {}

    def setup(self, worker: Worker) -> None:
        pass

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:
        if not isinstance(key, tuple) or not str(key[0]).startswith(CHUNK_PREFIX):
            return
        now = time.perf_counter()
        if finish == "executing":
            self.times[key[1]] = (now, now)
        elif start == "executing":
            self.times[key[1]] = (self.times[key[1]][0], now)


def _times(dask_worker: Worker) -> dict[int, tuple[float, float]]:
    plugin: Any = dask_worker.plugins[PLUGIN]
    return dict(plugin.times)


def main() -> None:
    job = json.loads(sys.argv[1])
    try:
        with client_for(None, job["workers"]) as client:
            client.register_plugin(ChunkTimes())
            result = hfdask.render(job["project"], job["output"], client=client, progress=False, **job["options"])
            (times,) = client.run(_times).values()
    finally:
        hfdask.close_browsers()
    # A short video is filmed while it is planned, without a task.
    zero = min((begin for begin, _ in times.values()), default=0.0)
    spans = {index: (begin - zero, end - zero) for index, (begin, end) in times.items()}
    json.dump({"result": msgspec.to_builtins(result), "spans": spans}, sys.stdout)


if __name__ == "__main__":
    main()
