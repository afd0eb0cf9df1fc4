"""Workers whose chunk task fails, dies or stalls."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from distributed import Worker, WorkerPlugin

from hfdask import errors


class Sabotage(WorkerPlugin):
    """Replaces what a worker's chunk task calls, in some of the workers' processes."""

    def __init__(self, how: str, workers: list[str] | None = None, index: int | None = None) -> None:
        self.how, self.workers, self.index = how, workers, index

    def setup(self, worker: Worker) -> None:
        from hfdask.browser import environment
        from hfdask.cluster import tasks as task
        from hfdask.diagnostics import doctor

        if self.workers is not None and worker.address not in self.workers:
            return
        if self.how == "other browser":
            for module in (environment, doctor):
                vars(module)["browser_version"] = lambda path: "1.2.3.4"
            return
        original = vars(task)["render_chunk"]

        def render_chunk(plan_url: str, index: int, *args: Any, **kwargs: Any) -> Any:
            observer = kwargs["observer"]
            if self.how == "fail":
                raise errors.BrowserCrashError("this one always dies")
            if index == self.index:
                if self.how == "die":
                    os.kill(os.getpid(), signal.SIGKILL)
                if self.how == "stall" and observer.attempt == 0:
                    while not observer.cancelled():
                        time.sleep(0.05)
                    Path(self.note).write_text(observer.worker)
                    raise errors.RenderCancelledError("stalled")
            return original(plan_url, index, *args, **kwargs)

        vars(task)["render_chunk"] = render_chunk

    note = ""
