"""Rendering of a plan's chunks and of single frames."""
