"""The newest picture of each worker, for the pages that are open.

A page asks for pictures as long as it is open. All pages of a scheduler share the answers, so a worker is asked at most once
in two seconds. Without a page there is no question.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

from hfdask.cluster.names import PICTURE
from hfdask.cluster.pictures import SECONDS, Picture, checked
from hfdask.errors import MediaError

if TYPE_CHECKING:
    from distributed import Scheduler

MOST_WORKERS = 50
"""Workers that are asked. On a larger cluster no one is asked until a person switches pictures on."""

ANSWER = 5.0
"""Seconds in which a worker must answer."""

logger = logging.getLogger("distributed.hfdask")


class _Asked(Struct):
    at: float
    task: asyncio.Task[None]


class Filmstrip:
    """Pictures of a scheduler's workers.

    Attributes
    ----------
    pictures : dict of str to Picture
        By the workers' addresses.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self.pictures: dict[str, Picture] = {}
        self._scheduler = scheduler
        self._asked: dict[str, _Asked] = {}

    def ask(self, workers: Iterable[str]) -> None:
        """Ask the workers that were not asked in the last two seconds and owe no answer. Call it on the scheduler's loop.

        Parameters
        ----------
        workers : iterable of str
            Addresses of workers that have rendered; other workers do not know the message.
        """
        now = time.monotonic()
        for worker in list(workers)[:MOST_WORKERS]:
            asked = self._asked.get(worker)
            if asked is None or (asked.task.done() and now - asked.at >= SECONDS):
                self._asked[worker] = _Asked(now, asyncio.create_task(self._fetch(worker)))

    def forget_worker(self, worker: str) -> None:
        """Forget a worker that has left."""
        self.pictures.pop(worker, None)
        asked = self._asked.pop(worker, None)
        if asked:
            asked.task.cancel()

    async def _fetch(self, worker: str) -> None:
        known = self.pictures.get(worker)
        question = getattr(self._scheduler.rpc(worker), PICTURE)
        try:
            answer = await asyncio.wait_for(question(known=known.number if known else -1), ANSWER)
            picture = checked(answer) if answer else None
        except (OSError, TimeoutError) as error:
            logger.debug("Worker %s gives no picture: %s", worker, error)  # it ends, or is stopped
        except MediaError as error:
            logger.warning("Worker %s: %s", worker, error)
        else:
            if picture and picture.jpeg and worker in self._asked:
                self.pictures[worker] = picture
