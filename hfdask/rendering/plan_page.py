"""Local, verified files of a plan's page (files, recorded answers, fonts), and the page itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hfdask.browser import browser_thread
from hfdask.browser.capture import capture
from hfdask.browser.chromium import Chromium
from hfdask.browser.session import PageSession, open_page
from hfdask.core.model import Manifest
from hfdask.fonts.configuration import FontSetup, plan_fonts
from hfdask.manifest.plan import Plan
from hfdask.network.intercept import Replay
from hfdask.network.messages import Source
from hfdask.store import Store, materialised


@dataclass(frozen=True)
class PlanPage:
    """Everything that a page of this plan needs. A page can access nothing else."""

    manifest: Manifest
    files: Mapping[str, Path]
    network: Source
    fonts: FontSetup

    @classmethod
    @contextmanager
    def of(cls, store: Store, manifest: Manifest) -> Iterator[PlanPage]:
        """Fetch and yield them, until the block ends.

        Raises
        ------
        MissingArtifactError, ArtifactDigestError, StoreError
        """
        with materialised(store, manifest.objects, manifest.objects) as paths:
            yield cls(
                manifest=manifest,
                files={each.path: paths[each.sha256] for each in manifest.artifacts},
                network=Replay({each.key: (each, paths[each.sha256]) for each in manifest.resources}),
                fonts=plan_fonts(manifest.fonts, {each.name: paths[each.sha256] for each in manifest.fonts.files}),
            )

    @asynccontextmanager
    async def page(self) -> AsyncIterator[tuple[PageSession, bool]]:
        """Yield a loaded page in a leased browser, and true if the browser was warm. On the browser thread only."""
        pool = browser_thread().pool
        async with pool.opened(self.manifest.page.capture_mode, self.fonts, self._loaded) as (session, warm):
            yield session, warm

    @asynccontextmanager
    async def _loaded(self, chromium: Chromium) -> AsyncIterator[PageSession]:
        manifest = self.manifest
        async with open_page(chromium, self.files, manifest.page, manifest.fps.fraction, self.network) as session:
            await session.load(manifest.entry)
            yield session

    def pictures(self, frames: Iterable[int]) -> tuple[list[bytes], bool]:
        """Return PNGs of single frames, and true if the browser was warm. On any thread but the browser's."""

        async def take() -> tuple[list[bytes], bool]:
            pictures = []
            async with self.page() as (session, warm):
                for frame in frames:
                    async for shot in capture(session, frame, frame + 1):
                        assert shot.png is not None  # the first frame of a capture always has a picture
                        pictures.append(shot.png)
            return pictures, warm

        return browser_thread().run(take())


def fetch_fonts(plan: Plan) -> FontSetup:
    """Fetch only the fonts of a plan, which a browser needs to start.

    Raises
    ------
    MissingArtifactError, ArtifactDigestError, StoreError
    """
    fonts = plan.manifest.fonts
    with materialised(plan.location.store(), plan.manifest.objects, fonts.files) as paths:
        return plan_fonts(fonts, {each.name: paths[each.sha256] for each in fonts.files})
