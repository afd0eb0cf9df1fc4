"""A plan: its manifest and its place."""

from __future__ import annotations

from dataclasses import dataclass, field

from hfdask.core.model import Manifest
from hfdask.core.results import Finding
from hfdask.manifest.location import PlanLocation
from hfdask.manifest.reading import read_manifest, require_sealed
from hfdask.store import Place, StorageOptions


@dataclass(frozen=True)
class Plan:
    """A plan and its place.

    Attributes
    ----------
    manifest : Manifest
        The content of the plan.
    stages : dict of str to float
        Wall seconds of planning by stage. Empty for a plan that was only opened.
    messages : tuple of str
        Messages of the page during planning, besides ``manifest.warnings``. Empty for a plan that was only opened.
    findings : tuple of Finding
        Findings of the check during planning. They are not part of the plan.
    split : str
        How the frames were split into chunks, and why. Empty for a plan that was only opened.
    storage_options : mapping or None
        Arguments of the plan's file system, which include credentials that were in its URL.
    """

    location: PlanLocation
    manifest: Manifest
    stages: dict[str, float] = field(default_factory=dict)
    messages: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    split: str = ""

    @classmethod
    def open(cls, url: Place, storage_options: StorageOptions | None = None) -> Plan:
        """Read a plan and check that it is complete.

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
        """Folder of the plan's chunk files; it also has chunks of earlier plans."""
        return self.location.chunks

    def chunk_url(self, index: int) -> str:
        """Return the URL of a chunk's file in the plan's folder; the chunk need not be rendered yet.

        Raises
        ------
        ChunkIndexError
            If the plan has no chunk of this number.
        """
        return self.location.chunk(self.manifest.chunk(index))

    def _repr_html_(self) -> str:
        from hfdask.views.timeline import plan_html

        return plan_html(self)

    def __repr__(self) -> str:
        m = self.manifest
        return (
            f"<Plan {self.hash[:12]}: {m.frames} frames of {m.width}x{m.height} at {m.fps} fps "
            f"in {len(m.chunks)} chunks, {self.url}>"
        )
