"""The files of a composition, and its own options."""
