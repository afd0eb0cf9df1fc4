"""A plan as data: its manifest, and the records of its chunks."""
