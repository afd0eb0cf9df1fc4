"""One frame of a composition, for people who are writing it."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from typing import Any

from hfdask.browser import browser_thread
from hfdask.browser.capture import capture
from hfdask.config import RenderConfig, with_project_file
from hfdask.core.forks import worked
from hfdask.core.frames import frame_at
from hfdask.errors import InvalidConfigError
from hfdask.fonts.configuration import machine_fonts
from hfdask.manifest.plan import Plan
from hfdask.network.record import Recorder
from hfdask.planning.planning import plan
from hfdask.project.files import local_project
from hfdask.rendering.plan_page import Materials
from hfdask.store import Store, split_output


@worked
def still(project: str | os.PathLike[str], time: float, output: str | os.PathLike[str], **config: Any) -> int:
    """Write the frame that a video of this project shows at a time, as a PNG.

    Parameters
    ----------
    project : path or URL
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
    folder, name = split_output(output)
    folder.require_writable()
    with local_project(project) as source, tempfile.TemporaryDirectory(prefix="hfdask-still-") as scratch:
        # Of the timeline only one frame matters, so what it loads is fetched when it is shown.
        options = RenderConfig.of(with_project_file(source, config))
        frozen = plan(source, scratch, **{"check": "off", **config, "sweep": 0})
        manifest = frozen.manifest
        inside = 0 <= time <= manifest.timeline.duration
        frame = frame_at(time, manifest.fps.fraction) if inside else manifest.frames
        if frame >= manifest.frames:
            raise InvalidConfigError(
                f"{time:g} s is outside of the composition, which ends at {manifest.timeline.duration:g} s",
                field="time",
            )
        folder.put(name, browser_thread().run(_picture(frozen, frame, options)))
    return frame


async def _picture(frozen: Plan, frame: int, options: RenderConfig) -> bytes:
    # Nobody looked at the text of this frame while it was planned, so all fonts that could be in the plan are there.
    with Materials.of(Store(frozen.url), frozen.manifest) as materials:
        async with (
            Recorder(options.allow_hosts, options.replace_urls) as recorder,
            replace(materials, network=recorder, fonts=machine_fonts()).page() as (session, _),
        ):
            pictures = [shot.png async for shot in capture(session, frame, frame + 1)]
            await session.finish()
    assert pictures[0] is not None  # the first frame of a capture always has a picture
    return pictures[0]
