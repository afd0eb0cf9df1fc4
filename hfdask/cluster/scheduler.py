"""Ask a scheduler with a time limit. If the scheduler is lost in any way, the error is `SchedulerLostError`.

A scheduler that is stopped, or whose machine is stopped, closes no connection, so an answer without a time limit may never
come. All of this package therefore asks through `ask`. Code that waits for messages of the scheduler, such as the end of a
task, uses a `Watch`.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from distributed import Client, Future, Security
from distributed.comm.addressing import get_address_host_port
from distributed.utils import silence_logging_cmgr

from hfdask.cluster.failures import cause_of
from hfdask.errors import HfdaskError, InvalidConfigError, SchedulerLostError

CONNECT = 15.0
"""Seconds in which a connection must be made."""

ANSWER = 25.0
"""Seconds in which a scheduler must answer; its event loop is not busy for so long."""

SILENCE = 15.0
"""Seconds without messages after which the scheduler is asked for an answer."""

CLOSE = 5.0
"""Seconds that closing a connection may take, because a stopped scheduler does not answer then either."""

_R = TypeVar("_R")


def ask(client: Client, call: Callable[..., _R], *args: Any, seconds: float | None = None, **options: Any) -> _R:
    """Call a method of a client that asks the scheduler, and return the answer.

    Parameters
    ----------
    call : callable
        `Client.sync` with a coroutine function, or a method that hands its options on to it.
    *args, **options
        Of the method.
    seconds : float, optional
        Time limit; `ANSWER` by default.

    Raises
    ------
    SchedulerLostError
        If there is no answer in time, or the connection is lost.
    HfdaskError
        If the scheduler answers with an error.
    """
    limit = ANSWER if seconds is None else seconds
    try:
        return call(*args, callback_timeout=limit, **options)
    except TimeoutError as error:
        raise SchedulerLostError(
            f"the scheduler has not answered for {limit:g} s; finished chunks are kept, so render again when it does"
        ) from error
    except (Exception, CancelledError) as error:
        if isinstance(error, OSError):
            raise SchedulerLostError(
                f"the connection to the scheduler is lost ({error}); finished chunks are kept, so render again"
            ) from error
        raise cause_of(error, "the question to the scheduler", client) from error


def ask_scheduler(client: Client) -> dict[str, Any]:
    """Ask a scheduler for its address and its numbers of workers and threads.

    Raises
    ------
    SchedulerLostError
    """
    if client.scheduler is None:
        raise SchedulerLostError("the client is closed; render with another one")
    answer: dict[str, Any] = ask(client, client.sync, client.scheduler.identity, n_workers=0)
    return answer


def worker_slots(client: Client) -> int:
    """Return the threads of all workers, which is the number of chunks that run at a time; 0 before a worker has come."""
    return int(ask_scheduler(client)["total_threads"])


def in_process(client: Client) -> bool:
    """Return true if all workers run in this process, and so share its memory:// files."""
    return str(ask_scheduler(client)["address"]).startswith("inproc://")


def worker_addresses(client: Client) -> set[str]:
    """Return the addresses of the scheduler's workers."""
    return set(ask(client, client.nthreads))


def workers_of(client: Client, futures: Sequence[Future[Any]]) -> dict[str, str]:
    """Return the worker of each task, by key as text; a waiting or ended task has none."""
    if not futures:
        return {}

    def places(
        keys: list[Any], dask_scheduler: Any
    ) -> dict[str, str]:  # travels as it is, as in `hfdask.cluster.liveness`
        tasks = {key: dask_scheduler.tasks.get(key) for key in keys}
        return {str(key): task.processing_on.address for key, task in tasks.items() if task and task.processing_on}

    return ask(client, client.run_on_scheduler, places, keys=[future.key for future in futures])


def cancel(client: Client, futures: list[Future[Any]]) -> None:
    """Withdraw tasks. A lost scheduler does not raise an error here, because it has lost the tasks, too."""
    if futures and client.status == "running":
        with suppress(SchedulerLostError):
            ask(client, client.sync, lambda: client.cancel(futures, asynchronous=True))


class Watch:
    """Notice a lost scheduler while waiting for its messages."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.heard()

    def heard(self) -> None:
        """Note that something came."""
        self._heard = time.monotonic()

    def require(self) -> None:
        """Ask the scheduler, if nothing has come for `SILENCE` seconds.

        Raises
        ------
        SchedulerLostError
            If it does not answer.
        """
        if time.monotonic() - self._heard >= SILENCE:
            ask_scheduler(self._client)
            self.heard()


class Turns:
    """Lets one thread at a time ask, because all want the same answer.

    If the scheduler is lost, the waiting threads get the same error. If each asked again, the last one would wait for a
    multiple of the limit.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lost_at = -math.inf

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the turn until the block ends.

        Raises
        ------
        SchedulerLostError
        """
        came = time.monotonic()
        with self._lock:
            if self._lost_at > came:
                raise SchedulerLostError(
                    "the scheduler does not answer; finished chunks are kept, so render again when it does"
                )
            try:
                yield
            except SchedulerLostError:
                self._lost_at = time.monotonic()
                raise


class _Impatient(Client):
    """A client with a time limit for schedulers that accept the connection, and then do not answer."""

    def start(self, **kwargs: Any) -> None:
        """Connect, within `CONNECT` seconds."""
        try:
            super().start(callback_timeout=CONNECT, **kwargs)  # type: ignore[no-untyped-call]
        except TimeoutError:
            with suppress(TimeoutError):
                self.close(timeout=CLOSE)  # type: ignore[no-untyped-call]
            raise


@contextmanager
def connect(address: str) -> Iterator[Client]:
    """Connect to the Dask scheduler at an address until the block ends. Dask logs nothing meanwhile: errors say enough.

    Unlike a `Client` that you make yourself, this one gives up after some seconds if the scheduler does not answer.

    Parameters
    ----------
    address : str
        Such as ``tcp://10.0.0.5:8786``.

    Raises
    ------
    InvalidConfigError
        If it is not an address.
    SchedulerLostError
        If no scheduler answers there.
    """
    with silence_logging_cmgr(logging.CRITICAL):
        client = _client_at(address)
        try:
            yield client
        finally:
            with suppress(TimeoutError, OSError):  # of a scheduler that is gone
                client.close(timeout=CLOSE)


def _client_at(address: str) -> Client:
    try:
        get_address_host_port(address)  # a Client does not close itself if this fails, or what it needs for TLS
        if address.startswith("tls://") and not Security().get_connection_args("client").get("ssl_context"):
            raise ValueError("it needs certificates: set distributed.comm.tls in Dask's configuration")
        return _Impatient(address, timeout=CONNECT, set_as_default=False)  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise InvalidConfigError(
            f"{address} is not the address of a Dask scheduler: {error}", field="scheduler"
        ) from error
    except (OSError, TimeoutError) as error:
        raise SchedulerLostError(
            f"no Dask scheduler answers at {address}: {str(error) or f'not within {CONNECT:g} s'}", address=address
        ) from error


def typed(error: BaseException, what: str, client: Client | None) -> BaseException:
    """Return an error as an `HfdaskError`; an interruption stays unchanged. Without a client, its state is unknown."""
    ours = isinstance(error, HfdaskError) or not isinstance(error, (Exception, CancelledError))
    return error if ours else cause_of(error, what, client)
