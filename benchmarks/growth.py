"""How the time of a page grows with what is on it: four times as much should take four times as long, or less.

Pages with many CSS animations, WAAPI animations, clips, clips that start after each other, or plain elements are loaded and
captured with a quarter, half and all of them, in turn. The ratios are from one run; the seconds are this machine's.
"""

from __future__ import annotations

import asyncio
import tempfile
from fractions import Fraction
from pathlib import Path
from statistics import median

import click
from rich.console import Console
from rich.table import Table

from hfdask.browser import browser_thread
from hfdask.browser.capture import capture
from hfdask.browser.page_opening import open_page
from hfdask.core.model import PageSettings

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<style>body {{margin: 0; background: #fff}} i {{position: absolute; width: 6px; height: 6px; background: #06c}}
  .css {{animation: tint 2s linear infinite}} @keyframes tint {{50% {{background: #c00}}}}</style>
<div data-composition-id="growth" data-width="640" data-height="360" data-duration="2" data-no-timeline></div>
<script>
  const place = (i) => `style="left:${{i % 64 * 10}}px;top:${{Math.floor(i / 64) % 36 * 10}}px"`;
  document.querySelector("[data-composition-id]").innerHTML = Array.from({{length: {count}}}, (_, i) => `{element}`).join("");
  {script}
</script></html>"""
_SCRIPTED = 'for (const i of document.querySelectorAll("i")) i.animate([{opacity: 1}, {opacity: 0.1}], 2000);'
# Name → how many, the markup of one, and a script.
KINDS = {
    "CSS animations": (1000, '<i class="css" ${place(i)}></i>', ""),
    "WAAPI animations": (1000, "<i ${place(i)}></i>", _SCRIPTED),
    "clips": (1000, '<i data-start="${i / 1000}" data-duration="1" ${place(i)}></i>', ""),
    "clips after clips": (
        1000,
        '<i id="c${i}" data-start="${i ? `c${i - 1} - 0.999` : 0}" data-duration="1" ${place(i)}></i>',
        "",
    ),
    "elements": (10_000, "<i ${place(i)}></i>", 'document.querySelector("i").className = "css";'),
}
_SETTINGS = PageSettings(
    width=640,
    height=360,
    capture_mode="beginframe",
    fragment=False,
    variables={},
    page_errors="raise",
    load_timeout=120.0,
    frame_timeout=60.0,
)


async def _time(page: Path, frames: int) -> tuple[float, float]:
    thread = browser_thread()
    async with (
        thread.pool.lease(_SETTINGS.capture_mode) as (browser, _),
        open_page(browser, {"index.html": page}, _SETTINGS, Fraction(30)) as session,
    ):
        clock = asyncio.get_running_loop().time
        began = clock()
        await session.load("index.html")
        loaded = clock()
        async for _frame in capture(session, 0, frames):
            pass
        return loaded - began, clock() - loaded


def measure(name: str, share: float, frames: int) -> tuple[float, float]:
    """Seconds to load a page with this share of what is counted, and to capture its first frames."""
    count, element, script = KINDS[name]
    with tempfile.TemporaryDirectory(prefix="hfdask-growth-") as folder:
        page = Path(folder) / "index.html"
        page.write_text(_PAGE.format(count=int(count * share), element=element, script=script), "utf-8")
        return browser_thread().run(_time(page, frames))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("kinds", nargs=-1, type=click.Choice(list(KINDS)))
@click.option("--frames", type=click.IntRange(1), default=30, show_default=True, help="Frames to capture.")
@click.option("--repeat", type=click.IntRange(1), default=3, show_default=True, help="Rounds.")
def main(kinds: tuple[str, ...], frames: int, repeat: int) -> None:
    """Load and capture pages with more and more of KINDS (default: all), and print how their time grows."""
    shares = (0.25, 0.5, 1.0)
    table = Table(title="Seconds (median of rounds), and how many times those of a quarter")
    for column in ("kind", "how many", "load s", "x", "capture s", "x"):
        table.add_column(column, justify="left" if column == "kind" else "right")
    measure(next(iter(KINDS)), 0.01, 3)  # a browser's first page is slower
    for name in kinds or KINDS:
        rounds = [[measure(name, share, frames) for share in shares] for _ in range(repeat)]
        for number, share in enumerate(shares):
            cells = [name if number == 0 else "", str(int(KINDS[name][0] * share))]
            for part in (0, 1):
                seconds = median(turn[number][part] for turn in rounds)
                times = median(turn[number][part] / turn[0][part] for turn in rounds)
                cells += [f"{seconds:.2f}", f"{times:.1f}"]
            table.add_row(*cells)
    Console(width=None if Console().is_terminal else 100).print(table)


if __name__ == "__main__":
    main()
