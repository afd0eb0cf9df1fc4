"""One frame of a composition, for people who are writing it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from hfdask.browser import browser_thread
from hfdask.browser.capture import capture
from hfdask.browser.fonts import plan_fonts
from hfdask.browser.record import Recorder
from hfdask.browser.session import open_page
from hfdask.config import RenderConfig, with_project_file
from hfdask.errors import InvalidConfigError
from hfdask.plan import Plan, plan
from hfdask.store import Store, materialiser, split_url
from hfdask.timing import frame_at


def still(project: str | os.PathLike[str], time: float, output: str | os.PathLike[str], **config: Any) -> int:
    """Write the frame that a video of this project shows at a time, as a PNG.

    Parameters
    ----------
    project : path
        A folder with an entry document, or the document itself.
    time : float
        Seconds from the start of the composition.
    output : str or path
        The picture, any fsspec URL.
    **config
        Fields of `hfdask.config.RenderConfig`.

    Returns
    -------
    int
        Index of the frame.

    Raises
    ------
    InvalidConfigError
        Where the time is outside of the composition.
    HfdaskError
        As `hfdask.plan`.
    """
    folder, name = split_url(output)
    folder.require_writable()
    with tempfile.TemporaryDirectory(prefix="hfdask-still-") as scratch:
        # Of the timeline only one frame matters, so what it loads is fetched when it is shown.
        options = RenderConfig.of(with_project_file(project, config))
        frozen = plan(project, scratch, **{"check": "off", **config, "sweep": 0})
        manifest = frozen.manifest
        frame = frame_at(time, manifest.fps.fraction) if time >= 0 else -1
        if not 0 <= frame < manifest.frames:
            raise InvalidConfigError(
                f"{time:g} s is outside of the composition, which ends at {manifest.timeline.duration:g} s",
                field="time",
            )
        folder.write(name, browser_thread().run(_picture(frozen, frame, options)))
    return frame


async def _picture(frozen: Plan, frame: int, options: RenderConfig) -> bytes:
    manifest = frozen.manifest
    store = Store(frozen.url)
    files: dict[str, Path] = materialiser.files(store, manifest.artifacts)
    fonts = plan_fonts(manifest.fonts, materialiser.fonts(store, manifest.fonts.files))
    async with (
        Recorder(options.allow_hosts, options.replace_urls) as recorder,
        browser_thread().pool.lease(manifest.page.capture_mode, fonts) as (chromium, _),
        open_page(chromium, files, manifest.page, manifest.fps.fraction, recorder) as session,
    ):
        await session.load(manifest.entry)
        pictures = [shot.png async for shot in capture(session, frame, frame + 1)]
        await session.finish()
    assert pictures[0] is not None  # the first frame of a capture always has a picture
    return pictures[0]
