"""The newest picture of each worker, as a thumbnail that is made when it is asked for.

A worker that renders keeps a reference to its newest picture, which it has until the next one is encoded. It makes a thumbnail only if
the dashboard or a notebook asks for one, and then at most once in `SECONDS`, however many ask. So nothing has to be switched on or
off: if no one looks, no one asks.
"""

from __future__ import annotations

import asyncio
import base64
import math
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from hfdask.cluster.names import PICTURE
from hfdask.core.fields import ChunkIndex, Frame, Line
from hfdask.core.thumbnail import require_thumbnail
from hfdask.core.values import built
from hfdask.errors import MediaError

if TYPE_CHECKING:
    from distributed import Client, Worker

    from hfdask.media.captured import Picture as Captured

SECONDS = 2.0
"""Least number of seconds between two thumbnails of a worker."""

_TRIES, _PAUSE = 10, 0.01
"""How often to ask for a newer picture if one was released meanwhile, and the seconds before each."""


class Picture(msgspec.Struct, frozen=True):
    """A worker's newest frame.

    Attributes
    ----------
    number : int
        Counts the thumbnails of the worker.
    render : str
        Token of the render; see `hfdask.cluster.graph.chunk_token`.
    chunk, frame : int
        Numbers of the chunk, and of the frame in the video.
    jpeg : bytes
        The thumbnail. It is empty in an answer to a caller that has it.
    """

    number: int
    render: Line
    chunk: ChunkIndex
    frame: Frame
    jpeg: bytes

    @property
    def url(self) -> str:
        """The thumbnail as a URL with the data in it."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode()


class NewestPicture:
    """The newest frame of one worker. Its tasks take note of frames, and its event loop answers questions."""

    def __init__(self) -> None:
        self._noted: tuple[str, int, int, Captured] | None = None
        self._made: tuple[str, int, int, Captured] | None = None
        self._picture: Picture | None = None
        self._at = -math.inf
        self._making = asyncio.Lock()

    def note(self, render: str, chunk: int, frame: int, picture: Captured) -> None:
        """Take note of a frame. Any thread may call it."""
        self._noted = (render, chunk, frame, picture)

    async def answer(self, known: int = -1) -> dict[str, Any]:
        """Return the newest picture as a message, without its thumbnail if the caller has number ``known``.

        It is empty if there has been no picture. A thumbnail is at most `SECONDS` older than the frame.
        """
        async with self._making:
            if self._noted is not self._made and time.monotonic() - self._at >= SECONDS:
                self._at = time.monotonic()
                await self._make()
        if self._picture is None:
            return {}
        fields = {name: getattr(self._picture, name) for name in Picture.__struct_fields__}
        return fields if self._picture.number != known else {**fields, "jpeg": b""}

    async def _make(self) -> None:
        for _ in range(_TRIES):
            made = self._noted
            assert made is not None  # because it is not the first value of `_made`
            try:
                jpeg = await asyncio.to_thread(_thumbnail, made[-1])
            except BufferError:  # the next one has just been encoded, and is noted now
                await asyncio.sleep(_PAUSE)
                continue
            number = self._picture.number + 1 if self._picture else 0
            self._made, self._picture = made, Picture(number, *made[:-1], jpeg)
            return


_of_workers: weakref.WeakKeyDictionary[Worker, NewestPicture] = weakref.WeakKeyDictionary()


def newest_of(worker: Worker) -> NewestPicture:
    """Return the newest picture of a worker in this process, which answers questions for it from now on."""
    newest = _of_workers.setdefault(worker, NewestPicture())  # which no other thread can interrupt
    worker.handlers[PICTURE] = newest.answer
    return newest


def newest_pictures(client: Client) -> dict[str, bytes]:
    """Return a thumbnail of the newest frame of each worker that has rendered.

    Parameters
    ----------
    client : distributed.Client
        A client of the cluster. The dashboard need not be shown there.

    Returns
    -------
    dict of str to bytes
        JPEGs of at most 20 kB and 320 pixels a side, by the workers' addresses. A worker makes at most one in two
        seconds, and returns the last one in between. Workers that have stopped are left out.

    Raises
    ------
    SchedulerLostError
        If the scheduler does not answer.
    WorkerLostError
        If workers send heartbeats, but no answer.
    """
    from hfdask.cluster.scheduler import worker_addresses

    return {worker: picture.jpeg for worker, picture in pictures_of(client, worker_addresses(client)).items()}


def pictures_of(client: Client, workers: set[str]) -> dict[str, Picture]:
    """Return the newest picture of each of these workers that has rendered; errors as in `newest_pictures`."""
    from hfdask.cluster.client_state import connection_of

    answers, _ = connection_of(client).ask_workers(_question(PICTURE), workers=workers)
    return {worker: checked(answer) for worker, answer in sorted(answers.items()) if answer}


def checked(answer: Any) -> Picture:
    """Return a worker's answer as a picture.

    Parameters
    ----------
    answer : dict
        A message of `NewestPicture.answer` that is not empty.

    Raises
    ------
    MediaError
        If it is not such a message, or its thumbnail is not a JPEG within the limits.
    """
    try:
        jpeg = bytes(memoryview(answer["jpeg"]))  # as Dask may hand over a view of the message
        picture = msgspec.convert({**answer, "jpeg": jpeg}, built(Picture))
    except (msgspec.ValidationError, TypeError, KeyError, ValueError) as error:
        raise MediaError(f"a worker's answer is not a picture: {error}") from error
    if picture.jpeg:
        require_thumbnail(picture.jpeg)
    return picture


def _thumbnail(picture: Captured) -> bytes:
    from hfdask.media.thumbnail import thumbnail

    return thumbnail(picture.shown)


def _question(name: str) -> Callable[..., Any]:
    """Return the function that runs on workers. It is pickled whole, so a worker without hfdask can answer, too."""

    async def question(dask_worker: Any) -> dict[str, Any]:
        answer = dask_worker.handlers.get(name)
        found: dict[str, Any] = await answer() if answer else {}
        return found

    return question
