"""Plans on Dask: graphs, tasks, and the driver of a render."""
