"""Batches: one project and a table of values, one video for each row."""
