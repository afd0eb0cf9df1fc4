"""Render every example and test composition, and print a digest of all frames of each.

    .venv/bin/python tools/digests.py [--output digests.json] [FOLDER ...]

Run it at two commits on one machine: pixels that did not move have equal digests. With ``--output``, the digests of the single
frames are written too; ``--against`` names such a file, and says which frames differ.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import hfdask

ROOT = Path(__file__).parent.parent


def frame_digests(project: Path) -> list[str]:
    """Return the digest of each frame of a project, rendered in this process."""
    with tempfile.TemporaryDirectory() as folder:
        plan = hfdask.plan(project, f"{folder}/plan", chunk_size=3600, check="off")
        found: list[str] = []
        for chunk in plan.manifest.chunks:
            result = hfdask.render_chunk(plan.url, chunk.index, f"{folder}/{chunk.index}.mp4")
            found += json.loads(Path(unquote(urlsplit(result.frames_url).path)).read_bytes())["digests"]
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--against", type=Path)
    given = parser.parse_args()
    pages = sorted([*ROOT.glob("examples/*/index.html"), *ROOT.glob("tests/compositions/*/index.html")])
    before = json.loads(given.against.read_text("utf-8")) if given.against else {}
    every: dict[str, list[str]] = {}
    for folder in given.folders or [page.parent for page in pages]:
        name = str(folder.resolve().relative_to(ROOT))
        try:
            digests = frame_digests(folder)
        except hfdask.HfdaskError as error:
            print(f"{name:40} {error}", flush=True)
            continue
        every[name] = digests
        line = f"{name:40} {len(digests):5} frames  {hashlib.sha256(''.join(digests).encode()).hexdigest()[:16]}"
        if name in before:
            moved = [i for i, pair in enumerate(zip(digests, before[name], strict=False)) if pair[0] != pair[1]]
            moved += range(*sorted((len(digests), len(before[name]))))
            line += f"  {len(moved)} differ: {moved[:8]}" if moved else "  equal"
        print(line, flush=True)
        if given.output:
            given.output.write_text(json.dumps(every), "utf-8")
    hfdask.close_browsers()


if __name__ == "__main__":
    main()
