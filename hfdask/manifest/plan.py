"""A plan: its manifest and its place."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from hfdask.core.model import Finding, Manifest
from hfdask.manifest.reading import read_manifest, require_sealed
from hfdask.store import StorageOptions, Store

CHUNKS = "chunks"


@dataclass(frozen=True)
class Plan:
    """A plan and its place.

    Attributes
    ----------
    url : str
        The plan's folder.
    manifest : Manifest
        The content of the plan.
    stages : dict of str to float
        Wall seconds of planning by stage. Empty for a plan that was only opened.
    messages : tuple of str
        Messages of the page during planning, besides ``manifest.warnings``. Empty for a plan that was only opened.
    findings : tuple of Finding
        Findings of the check during planning. They are not part of the plan.
    storage_options : mapping or None
        Arguments of the plan's file system.
    """

    url: str
    manifest: Manifest
    stages: dict[str, float] = field(default_factory=dict)
    messages: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    storage_options: StorageOptions | None = field(default=None, repr=False)

    @classmethod
    def open(cls, url: str | os.PathLike[str], storage_options: StorageOptions | None = None) -> Plan:
        """Read a plan and check that it is complete.

        Raises
        ------
        MissingArtifactError, PlanCorruptError, ProtocolError, PlanHashError
        """
        store = Store(url, storage_options)
        manifest = read_manifest(store)
        require_sealed(manifest, store.url)
        return cls(store.url, manifest, storage_options=storage_options)

    @property
    def hash(self) -> str:
        """sha256 of everything in the manifest."""
        return self.manifest.plan_hash

    @property
    def chunks_url(self) -> str:
        """Folder of the plan's chunk files, and of those of earlier plans."""
        return f"{self.url}/{CHUNKS}"

    def __repr__(self) -> str:
        m = self.manifest
        return (
            f"<Plan {self.hash[:12]}: {m.frames} frames of {m.width}x{m.height} at {m.fps} fps "
            f"in {len(m.chunks)} chunks, {self.url}>"
        )
