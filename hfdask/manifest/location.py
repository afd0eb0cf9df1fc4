"""The place of a plan, and of the files in its folder."""

from __future__ import annotations

from dataclasses import dataclass

from hfdask.core.model import ChunkRange
from hfdask.store.location import Location, Place

MANIFEST = "plan.json"
SWEEP = "sweep.json"
CHUNKS = "chunks"
SOUNDS = "sounds"


@dataclass(frozen=True)
class PlanLocation(Location):
    """A plan's folder: the one value that knows how to get there and the addresses in it."""

    @property
    def manifest(self) -> str:
        """The URL of ``plan.json``."""
        return f"{self.url}/{MANIFEST}"

    @property
    def chunks(self) -> str:
        """The folder of the plan's chunk files; it also has chunks of earlier plans."""
        return f"{self.url}/{CHUNKS}"

    def chunk(self, chunk: ChunkRange) -> str:
        """Return the URL of a chunk's file in the plan's own folder."""
        return f"{self.chunks}/{chunk.file}"

    def location_of(self, url: Place) -> Location:
        """Return another place, to be reached with the same options."""
        return Location.of(url, self.options_for(url))
