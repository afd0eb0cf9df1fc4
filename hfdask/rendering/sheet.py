"""Write a contact sheet of a composition: some of its frames in one picture, for its authors."""

from __future__ import annotations

import os
import reprlib
from pathlib import PurePosixPath
from typing import Literal, Unpack, get_args

from hfdask.browser import browser_thread
from hfdask.config import PlanOptions, RenderConfig, explicit
from hfdask.core.forks import worked
from hfdask.core.frames import evenly_spaced, first_frame, frame_time
from hfdask.core.model import Manifest
from hfdask.errors import InvalidConfigError
from hfdask.media.contact_sheet import FORMATS, Tile, draw_sheet, require_room, shrunk
from hfdask.rendering.still import pictures_of, planned_for_pictures
from hfdask.store import StorageOptions, split_output

Places = Literal["even", "clips"]

MAX_PICTURES = 400
"""Pictures of a sheet, at most."""

_RANGES = {"count": (1, MAX_PICTURES), "columns": (1, MAX_PICTURES), "tile": (16, 1920)}


@worked
def contact_sheet(
    project: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    at: Places = "even",
    count: int = 12,
    columns: int = 4,
    tile: int = 320,
    storage_options: StorageOptions | None = None,
    config: RenderConfig | None = None,
    **options: Unpack[PlanOptions],
) -> tuple[int, ...]:
    """Write some frames of a project's video as one picture, each with its time and its number below it.

    The page is loaded once, and brought through these frames in their order.

    Parameters
    ----------
    project : path or URL
        A folder with an entry document, or the document itself.
    output : str or path
        The picture, any fsspec URL that ends in ``.png``, ``.jpg`` or ``.webp``.
    at : {"even", "clips"}
        ``even`` shows frames at even distances, and ``clips`` the first frame of each clip.
    count : int
        Number of frames at even distances, 1 to 400. A shorter video shows all of its frames.
    columns : int
        Pictures in a row.
    tile : int
        Width of a picture in pixels, 16 to 1920.
    storage_options : mapping, optional
        Arguments of the file systems of both URLs.
    config : RenderConfig, optional
        As for `hfdask.plan`; ``check`` is off by default, and ``sweep`` has no effect.
    **options
        Fields of `hfdask.RenderConfig`. A transparent page is drawn on white.

    Returns
    -------
    tuple of int
        The numbers of the frames.

    Raises
    ------
    InvalidConfigError
        For a suffix, number or size that no sheet can have.
    HfdaskError
        As for `plan`.
    """
    folder, name = split_output(output, storage_options)
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in FORMATS:
        raise InvalidConfigError(
            f"a contact sheet ends in {', '.join(FORMATS)}, not {suffix or 'nothing'!r}", field="output"
        )
    if at not in get_args(Places):
        raise InvalidConfigError(f"at must be one of {', '.join(get_args(Places))}, not {at!r}", field="at")
    _require_ranges(count=count, columns=columns, tile=tile)
    folder.require_writable()
    given = explicit(config, options)
    with planned_for_pictures(project, given, storage_options, alpha=False) as (frozen, merged):
        manifest = frozen.manifest
        frames = _chosen(manifest, at, count)
        require_room((manifest.width, manifest.height), len(frames), columns, tile)
        seen = browser_thread().run(pictures_of(frozen, frames, merged, lambda picture: shrunk(picture.pixels, tile)))
    texts = (f"{frame_time(frame, manifest.fps.fraction):.3f} s   frame {frame}" for frame in frames)
    folder.put(name, draw_sheet([Tile(*each) for each in zip(seen, texts, strict=True)], columns, suffix))
    return frames


def _require_ranges(**numbers: int) -> None:
    for name, number in numbers.items():
        least, most = _RANGES[name]
        if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= most:
            raise InvalidConfigError(
                f"{name} must be a whole number from {least} to {most}, not {reprlib.repr(number)}", field=name
            )


def _chosen(manifest: Manifest, at: Places, count: int) -> tuple[int, ...]:
    """Return the frames of the sheet, in order."""
    if at == "even":
        return evenly_spaced(manifest.frames, count)
    fps = manifest.fps.fraction
    starts = {first_frame(clip.start, fps) for clip in manifest.timeline.clips}
    frames = tuple(sorted(frame for frame in starts if 0 <= frame < manifest.frames))
    if not frames:
        raise InvalidConfigError("no clip starts in this composition; use at='even'", field="at")
    if len(frames) > MAX_PICTURES:
        raise InvalidConfigError(
            f"clips start at {len(frames)} frames, more than {MAX_PICTURES}; use at='even'", field="at"
        )
    return frames
