"""Plans as data: the manifest, and the records of chunks."""
