"""Add the page to a scheduler's dashboard, while it runs: its routes, its place in the navigation, and its plots in JupyterLab.

Dask has no interface for this. Each web application of a scheduler is a Bokeh server, and one more is added for the page.
Dask's extension of JupyterLab asks for the plots of the first one, so ours are listed there, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tornado.ioloop import IOLoop

from hfdask.errors import DashboardError

if TYPE_CHECKING:
    from distributed import Scheduler

PAGE = "hfdask"
"""Last part of the page's address."""

_REMEDY = (
    "start it with its dashboard, and with Bokeh installed (pip install 'hfdask[dashboard]'): Dask leaves the dashboard "
    "out without an error if Bokeh is missing or too old"
)


def page_of(dashboard: str) -> str:
    """Return the address of the page, given the address of Dask's page ``status``."""
    return dashboard.rpartition("/")[0] + "/" + PAGE


def add_pages(scheduler: Scheduler) -> None:
    """Add the page and its plots to a scheduler, unless it has them.

    Raises
    ------
    DashboardError
        If the scheduler has no dashboard, or no Bokeh.
    """
    try:
        from bokeh.server.tornado import BokehTornado
        from distributed.dashboard.core import BokehApplication
        from distributed.dashboard.scheduler import template_variables
    except ImportError as error:
        raise DashboardError(f"the scheduler has no dashboard ({error}): {_REMEDY}") from error
    from hfdask.dashboard.page import page, plots

    http: Any = getattr(scheduler, "http_application", None)
    servers = [each for each in http.applications if isinstance(each, BokehTornado)] if http else []
    if not servers:
        raise DashboardError(f"the scheduler has no dashboard: {_REMEDY}")
    if any(f"/{PAGE}" in each.app_paths for each in servers):
        return
    everywhere = template_variables(scheduler)  # one dictionary for all pages of the scheduler
    added = BokehApplication(
        {f"/{PAGE}": page, **{f"/{url}": plot for url, plot in plots.items()}},
        scheduler,
        prefix=servers[0].prefix,
        template_variables=everywhere,
    )
    http.add_application(added)
    added.initialize(IOLoop.current())
    added.start()
    everywhere["pages"].append(PAGE)
    listed: Any = servers[0].applications
    for url in plots:
        name = url.removeprefix("individual-").replace("-", " ").title().replace("Hfdask", "hfdask")
        everywhere["plots"].append({"url": url, "name": name})
        listed[f"/{url}"] = added.applications[f"/{url}"]
