"""Write a video as a web page; render it on a Dask cluster."""

__version__ = "0.1.0"
