"""Plans on Dask: graphs, tasks, and the driver that sees a render through."""
