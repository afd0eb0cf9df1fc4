"""A plan: its manifest, and where it is kept."""

from __future__ import annotations

from dataclasses import dataclass, field

from hfdask.core.model import Finding, Manifest
from hfdask.manifest.location import PlanLocation
from hfdask.manifest.reading import read_manifest, require_sealed
from hfdask.store import Place, StorageOptions


@dataclass(frozen=True)
class Plan:
    """A plan and where it is kept.

    Attributes
    ----------
    location : PlanLocation
        The plan's folder, and how to reach it.
    manifest : Manifest
        Everything that was decided.
    stages : dict of str to float
        Wall seconds of planning by stage. Empty for a plan that was only opened.
    messages : tuple of str
        What the page said while it was planned, besides ``manifest.warnings``. Empty for a plan that was only opened.
    findings : tuple of Finding
        What the check found while the project was planned. They are no part of the plan.
    url : str
        URL of the plan's folder, without credentials.
    storage_options : mapping or None
        Arguments of the plan's file system, which include credentials that were in its URL.
    """

    location: PlanLocation
    manifest: Manifest
    stages: dict[str, float] = field(default_factory=dict)
    messages: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @classmethod
    def open(cls, url: Place, storage_options: StorageOptions | None = None) -> Plan:
        """Read a plan and check that it is whole.

        Raises
        ------
        MissingArtifactError, PlanCorruptError, ProtocolError, PlanHashError
        """
        location = PlanLocation.of(url, storage_options)
        manifest = read_manifest(location.store())
        require_sealed(manifest, location.url)
        return cls(location, manifest)

    @property
    def url(self) -> str:
        """The plan's folder."""
        return self.location.url

    @property
    def storage_options(self) -> StorageOptions | None:
        """Arguments of the plan's file system."""
        return self.location.storage_options

    @property
    def hash(self) -> str:
        """sha256 of everything in the manifest."""
        return self.manifest.plan_hash

    @property
    def chunks_url(self) -> str:
        """Folder of the plan's own chunk files, where those of earlier plans are found too."""
        return self.location.chunks

    def __repr__(self) -> str:
        m = self.manifest
        return (
            f"<Plan {self.hash[:12]}: {m.frames} frames of {m.width}x{m.height} at {m.fps} fps "
            f"in {len(m.chunks)} chunks, {self.url}>"
        )
