"""A page of renders on Dask's dashboard: ``dask scheduler --preload hfdask.dashboard``, or `hfdask.show_dashboard`."""

from __future__ import annotations

import logging
from typing import Any

from hfdask.errors import DashboardError

logger = logging.getLogger("distributed.hfdask")


async def dask_setup(scheduler: Any) -> None:
    """Add the page to a scheduler that starts. Dask calls this for a module that it preloads.

    A scheduler that cannot show the page starts without it, and logs the reason.
    """
    from hfdask.dashboard.plugin import RenderDashboard

    plugin = RenderDashboard()
    try:
        await scheduler.register_scheduler_plugin(plugin, name=plugin.name, idempotent=True)
    except DashboardError as error:
        logger.error("%s", error)
