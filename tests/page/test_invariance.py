"""A frame is the same however the page came to it: the ground that chunks stand on."""

from __future__ import annotations

from fractions import Fraction

import pytest
from page_samples import open_files
from samples import COMPOSITIONS
from slow import sampled

from hfdask.project.files import Project

pytestmark = pytest.mark.browser

NAMES = sorted(path.parent.name for path in COMPOSITIONS.glob("*/index.html"))
FRAMES = 30
FORWARD = {"motion", "motion_sequence", "timers", "waapi_chains"}
"""The effects of their scripts at the end of an animation or a timer cannot be undone; chunks go forwards."""

SECONDS = dict.fromkeys(("motion", "shadow_trees", "waapi_chains"), 1.5) | dict.fromkeys(
    ("motion_sequence", "sounds", "timers"), 3
)


HOSTED = [
    pytest.param(name, "canvas", marks=() if name in ("canvas_raf", "text") else pytest.mark.slow) for name in NAMES
]


@pytest.mark.sample(
    "timers-beginframe", "canvas_raf-canvas", "text-canvas", "effects-beginframe", "sub_template-beginframe"
)
@pytest.mark.parametrize(("name", "mode"), [*sampled([(name, "beginframe") for name in NAMES], one_of=6), *HOSTED])
def test_frames_do_not_depend_on_the_frames_before(name: str, mode: str) -> None:
    project = Project.find(COMPOSITIONS / name, "index.html")
    files = dict(project.files())
    fps = Fraction(30000, 1001) if name == "fps_ntsc" else Fraction(30)
    width, height = (161, 91) if name == "odd_size" else (320, 180)
    settings = {"width": width, "height": height, "fragment": project.is_fragment, "capture_mode": mode}
    with open_files(files, fps, **settings) as page:
        assert page.loaded.missing in ([], [name])
        run = page.digests(0, FRAMES)
        if name not in FORWARD:
            assert run[12] == page.digests(12, 13)[0], "frame 12 after the last one"
        assert page.session.site.misses == []
        report = page.report()
        assert report["duration"] == pytest.approx(SECONDS.get(name, float(FRAMES / fps)))
        assert (report["width"], report["height"]) == (width, height)
    moving = len(set(run))
    assert moving == 1 if name == "static" else moving > 5, "the composition proves nothing if it stands still"
    with open_files(files, fps, **settings) as page:
        assert page.digests(7, 8) == [run[7]], "frame 7 as the first one"
        assert page.digests(23, 24) == [run[23]], "frame 23 right after frame 7"
