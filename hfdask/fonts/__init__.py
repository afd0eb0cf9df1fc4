"""Fonts: families that can be installed, and the font configuration of a browser."""
