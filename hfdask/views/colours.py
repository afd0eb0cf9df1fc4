"""Colours of stages and states, the same in notebooks, reports and plots. Okabe and Ito chose them for all kinds of eyes."""

from __future__ import annotations

STAGE_COLOURS = {
    "materialise": "#999999",
    "boot": "#d55e00",
    "capture": "#56b4e9",
    "encode": "#e69f00",
    "upload": "#009e73",
}
FRAME_COLOURS = {"decode": "#cc79a7", "seek": "#0072b2", "picture": "#56b4e9"}
STATE_COLOURS = {"captured": "#0072b2", "unchanged": "#f0e442", "static": "#d9d9d9"}
OTHER = "#777777"
"""Colour of stages that are not a chunk's."""
