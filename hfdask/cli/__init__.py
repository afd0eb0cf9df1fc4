"""The command line."""

from hfdask.cli.commands import main

__all__ = ["main"]
