"""What a plan's page is made of, fetched to this machine and checked: files, recorded answers, fonts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hfdask.browser import browser_thread
from hfdask.browser.fonts import FontWorld, plan_fonts
from hfdask.browser.network import Replay
from hfdask.browser.requests import Source
from hfdask.browser.session import PageSession, open_page
from hfdask.model import Manifest
from hfdask.store import Store, materialiser


@dataclass(frozen=True)
class Materials:
    """Everything that a page of this plan needs, and nothing else that it could get at."""

    manifest: Manifest
    files: Mapping[str, Path]
    network: Source
    fonts: FontWorld

    @classmethod
    def of(cls, store: Store, manifest: Manifest, chunk: int | None = None) -> Materials:
        """Those of one chunk, or of the whole plan.

        Raises
        ------
        MissingArtifactError, ArtifactDigestError, StoreError
        """
        wanted = [a for a in manifest.artifacts if chunk is None or a.chunks == "all" or chunk in a.chunks]
        return cls(
            manifest=manifest,
            files=materialiser.files(store, wanted),
            network=Replay.of(store, manifest),
            fonts=plan_fonts(manifest.fonts, materialiser.fonts(store, manifest.fonts.files)),
        )

    @asynccontextmanager
    async def page(self) -> AsyncIterator[tuple[PageSession, bool]]:
        """A loaded page in a browser of its own, and whether that was warm. On the browser thread only."""
        manifest = self.manifest
        async with (
            browser_thread().pool.lease(manifest.page.capture_mode, self.fonts) as (chromium, warm),
            open_page(chromium, self.files, manifest.page, manifest.fps.fraction, self.network) as session,
        ):
            await session.load(manifest.entry)
            yield session, warm
