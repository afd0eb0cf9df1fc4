"""Give a render its cluster: the caller's, or one in this process that starts when its first task comes.

A short video is filmed while it is planned, and so has no task. Then distributed is neither imported nor started.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Self

from hfdask.core.cores import cores
from hfdask.errors import InvalidConfigError, SchedulerLostError

if TYPE_CHECKING:
    from distributed import Client


def default_slots() -> int:
    """Return the number of chunks to render at a time here: one per core, because a chunk uses more than one core."""
    return cores()


class Cluster:
    """The cluster of a render. Any thread may use it; the end of its block closes what it has started.

    Parameters
    ----------
    client : distributed.Client, optional
        Client of the cluster. Without one, a cluster in this process starts when ``client`` is asked for.
    slots : int, optional
        Chunks that a cluster in this process renders at a time; by default `default_slots`.
    dashboard : bool
        True to give a cluster in this process a dashboard, at the client's ``dashboard_link``.

    Attributes
    ----------
    embedded : bool
        True if it is a cluster in this process that hfdask starts.
    """

    def __init__(self, client: Client | None = None, slots: int | None = None, *, dashboard: bool = False) -> None:
        self._client = client
        self._slots = slots or default_slots()
        self._dashboard = dashboard
        self._lock = threading.Lock()
        self._held = ExitStack()
        self._closed = False
        self.embedded = client is None or _is_embedded(client)

    @classmethod
    def of(cls, client: Client | None, slots: int | None = None, *, dashboard: bool = False) -> Cluster:
        """Return the cluster of the given client, else of the current one, else one in this process.

        Raises
        ------
        InvalidConfigError
            If ``client`` is not a synchronous distributed Client.
        """
        if client is not None:
            require_client(client)
        return cls(client or _current_client(), slots, dashboard=dashboard)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closed = True
            self._held.close()

    @property
    def started(self) -> Client | None:
        """Its client, if there is one already."""
        return self._client

    @property
    def client(self) -> Client:
        """Its client.

        Raises
        ------
        SchedulerLostError
            If it has yet to start, and its block has ended.
        """
        with self._lock:
            if self._client is None:
                if self._closed:
                    raise SchedulerLostError("the cluster of this render is closed; render again")
                from hfdask.cluster.embedded import embedded_client

                self._client = self._held.enter_context(embedded_client(self._slots, dashboard=self._dashboard))
            return self._client

    @property
    def slots(self) -> int:
        """The number of chunks that run at a time; 0 before a worker has come.

        Raises
        ------
        SchedulerLostError
        """
        if self._client is None:
            return self._slots
        from hfdask.cluster.scheduler import worker_slots

        return worker_slots(self._client)


@contextmanager
def client_for(client: Client | None, slots: int | None = None, *, dashboard: bool = False) -> Iterator[Client]:
    """Yield the given client, else the current one, else the client of a cluster in this process that ends with the block.

    With ``dashboard``, such a cluster has one, at the client's ``dashboard_link``.

    Raises
    ------
    InvalidConfigError
        If ``client`` is not a synchronous distributed Client.
    """
    with Cluster.of(client, slots, dashboard=dashboard) as cluster:
        yield cluster.client


def require_client(client: object) -> None:
    """Refuse what is not a synchronous distributed Client.

    Raises
    ------
    InvalidConfigError
    """
    from distributed import Client

    if not isinstance(client, Client):
        raise InvalidConfigError(f"client must be a distributed.Client, not {type(client).__name__}", field="client")
    if client.asynchronous:
        raise InvalidConfigError(
            "client must be a distributed.Client without asynchronous=True; a coroutine can await what submit returns",
            field="client",
        )


def _is_embedded(client: Client) -> bool:
    from hfdask.cluster.embedded import is_embedded

    return is_embedded(client)


def _current_client() -> Client | None:
    if "distributed" not in sys.modules:
        return None
    from distributed import get_client

    try:
        found: Any = get_client()
    except ValueError:
        return None
    return found if not found.asynchronous else None
