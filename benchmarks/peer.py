"""Compare whole renders with another renderer's, project by project, in turn.

    peer.py --peer 'other-renderer {project} {output}' --rounds 5 --json peer.json --markdown docs/performance.md
    peer.py --peer 'canvas=hfdask render {project} -o {output} --capture canvas' --only photo,text
    peer.py --peer '...' --rounds 2 --more peer.json --json peer.json   # two more rounds
    peer.py --results peer.json                          # the tables of an earlier run

A renderer is a command. The first is hfdask, unless `--ours` names another, so two ways or versions of hfdask can be
compared, too. All render the same folder, one after the other, in new processes. Who is first changes with each round, and
ratios are of runs of the same round: if the machine is slow for a minute, it is slow for both.
"""

from __future__ import annotations

import datetime
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import msgspec
from measure import Renderer, Run
from peer_report import Agreement, Contest, finite, markdown, replace_block, write_block
from rich.console import Console
from rich.markdown import Markdown
from showcase import SHOWCASES

import hfdask

OURS = f"{sys.executable} -m hfdask render {{project}} -o {{output}} --json --quality standard --crf 16"
"""x264 medium with CRF 16: what the HyperFrames CLI takes by default."""

console = Console(stderr=True)


@dataclass(frozen=True)
class Project:
    """A project of the contest, and a few words about it."""

    name: str
    shows: str
    folder: Path


def compete(
    contest: Contest,
    projects: Sequence[Project],
    renderers: Sequence[Renderer],
    *,
    rounds: int,
    timeout: float,
    copies: Path,
    videos: Path,
    keep: Callable[[Contest], None],
) -> None:
    """Let all renderers render all projects, and call ``keep`` after each project of each round.

    Each renderer has its own copies of the projects, because some write into them. The videos of the last round stay in their folder.
    """
    for renderer in renderers:
        for project in projects:
            shutil.copytree(project.folder, copies / renderer.name / project.name)
    done = contest.rounds
    for turn in range(done, done + rounds):
        for project in projects:
            made: dict[str, Run] = {}
            for renderer in renderers if turn % 2 == 0 else reversed(renderers):
                copy = copies / renderer.name / project.name
                run = made[renderer.name] = renderer.run(copy, _video(videos, project, renderer.name), turn, timeout)
                told = run.error or f"{run.usage.wall:.2f} s, CPU {run.usage.cpu:.2f} s"
                console.print(f"{turn + 1}: {project.name}, {renderer.name}: {told}", markup=False, highlight=False)
            contest.runs.extend(made.values())
            ours = renderers[0].name
            near = contest.agreements.setdefault(project.name, {})
            for peer in contest.peers:
                if peer not in near and not made[ours].error and not made[peer].error:
                    near[peer] = agreement(*(_video(videos, project, name) for name in (ours, peer)))
            keep(contest)


def agreement(ours: Path, theirs: Path) -> Agreement:
    """Compare the pictures of two videos."""
    try:
        near = hfdask.compare(ours, theirs)
    except hfdask.HfdaskError as error:
        return Agreement(error=error.message)
    return Agreement(
        mean_psnr=finite(near.mean_psnr),
        min_psnr=finite(near.min_psnr),
        mean_ssim=near.mean_ssim,
        worst_frame=near.worst_frame,
        frames_ours=near.frames_a,
        frames_peer=near.frames_b,
        identical=near.identical,
    )


def _video(folder: Path, project: Project, renderer: str) -> Path:
    return folder / f"{project.name}.{renderer}.mp4"


def _machine() -> str:
    cpu = "a CPU"
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    return (
        f"{os.cpu_count()} cores ({cpu}), {platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def _chosen(names: str | None) -> list[Any]:
    known = {showcase.name: showcase for showcase in SHOWCASES}
    picked = list(known) if names is None else [name for name in names.split(",") if name]
    if unknown := [name for name in picked if name not in known]:
        raise click.BadParameter(f"{', '.join(unknown)}: known are {', '.join(known)}", param_hint="--only")
    return [known[name] for name in picked]


def _prepare(given: Sequence[Path], names: str | None, folder: Path) -> list[Project]:
    """Make the generated projects, and add the given ones."""
    projects = [Project(path.resolve().name, "given", path.resolve()) for path in given]
    for showcase in _chosen(names) if names is not None or not given else ():
        if showcase.missing:
            console.print(f"{showcase.name} is left out: {showcase.missing[0]} is missing (make setup)", markup=False)
        else:
            projects.append(Project(showcase.name, showcase.shows, showcase.make(folder)))
    if len({project.name for project in projects}) < len(projects):
        raise click.UsageError("projects are distinguished by the names of their folders, and two have the same")
    return projects


def _read(file: Path) -> Contest:
    return msgspec.json.decode(file.read_bytes(), type=Contest)


def _continued(earlier: Contest, now: Contest) -> Contest:
    """Return an earlier contest, to which rounds of this one are added."""
    for what in ("machine", "renderers", "shows"):
        if getattr(earlier, what) != getattr(now, what):
            raise click.BadParameter(
                f"{what} was {getattr(earlier, what)}, and is {getattr(now, what)}", param_hint="--more"
            )
    return replace(earlier, date=earlier.date if now.date in earlier.date else f"{earlier.date} and {now.date}")


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__.replace("\n\n    ", "\n\n\b\n    ")
)
@click.argument("given", nargs=-1, metavar="[PROJECT]...", type=click.Path(exists=True, path_type=Path))
@click.option("--peer", "peers", multiple=True, metavar="[NAME=]COMMAND", help="With {project} and {output}; many.")
@click.option("--ours", default=f"hfdask={OURS}", metavar="[NAME=]COMMAND", help="Instead of hfdask as it is.")
@click.option(
    "--only",
    metavar="NAMES",
    help="Of the generated projects and examples, a list.  [default: all, or none with PROJECT]",
)
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--timeout", type=float, default=900.0, show_default=True, help="Seconds that a run may take.")
@click.option("--videos", type=click.Path(file_okay=False, path_type=Path), help="Keep the last round's videos there.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write all numbers there.")
@click.option(
    "--markdown",
    "markdown_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Replace the tables of this file, between its two marks.",
)
@click.option("--note", default="", help="A sentence for the report, such as how busy the machine was.")
@click.option(
    "--more",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Add the rounds to an earlier JSON, of the same machine, projects and renderers.",
)
@click.option("--results", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Show an earlier JSON.")
def main(
    given: Sequence[Path],
    peers: Sequence[str],
    ours: str,
    only: str | None,
    rounds: int,
    timeout: float,
    videos: Path | None,
    json_file: Path | None,
    markdown_file: Path | None,
    note: str,
    more: Path | None,
    results: Path | None,
) -> None:
    try:
        renderers = [Renderer.parse(ours, "ours")]
        renderers += [Renderer.parse(text, f"peer {number}") for number, text in enumerate(peers, 1)]
        if markdown_file:
            replace_block(markdown_file.read_text("utf-8"), "")
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if len({renderer.name for renderer in renderers}) < len(renderers):
        raise click.UsageError("give each renderer a name: NAME=COMMAND")

    def keep(contest: Contest) -> None:
        if json_file:
            json_file.write_bytes(msgspec.json.format(msgspec.json.encode(contest), indent=1))

    with ExitStack() as stack:
        if results:
            contest = _read(results)
        else:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hfdask-peer-")))
            projects = _prepare(given, only, scratch / "made")
            contest = Contest(
                machine=_machine(),
                date=datetime.datetime.now(datetime.UTC).date().isoformat(),
                load=os.getloadavg()[0],
                renderers={renderer.name: renderer.shown for renderer in renderers},
                shows={project.name: project.shows for project in projects},
            )
            if more:
                contest = _continued(_read(more), contest)
            folder = videos or scratch
            folder.mkdir(parents=True, exist_ok=True)
            limits = {"rounds": rounds, "timeout": timeout}
            compete(contest, projects, renderers, copies=scratch / "copies", videos=folder, keep=keep, **limits)
    tables = markdown(contest, note)
    Console(width=None if sys.stdout.isatty() else 180).print(Markdown(tables))
    if markdown_file:
        write_block(markdown_file, tables)
    sys.exit(1 if any(run.error for run in contest.runs) else 0)


if __name__ == "__main__":
    main()
