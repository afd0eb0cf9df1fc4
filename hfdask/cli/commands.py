"""The command line: one command for each public function, with the same options and the same errors.

Results go to standard output, and messages for people to standard error. An error is one line with its code and
message, and the exit status gives its kind.
"""

from __future__ import annotations

import json
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import click
import msgspec

import hfdask
from hfdask.cli.options import Configured, given, options_of
from hfdask.cli.output import Stopped, answer, say, signals_raised, standard_streams
from hfdask.errors import (
    BrowserError,
    CertificateError,
    HfdaskError,
    InvalidConfigError,
    OutputNotWritableError,
    ProjectError,
    RenderCancelledError,
)

EXIT_CODES = """\b
Exit status:
  0    done
  1    the render failed (browser, plan, chunk, store)
  2    wrong usage or option value
  3    the composition cannot be rendered as it is; check --strict: findings
  4    no usable browser
  5    the output cannot be written
  6    compare: the videos differ; verify: the certificate does not match; bench --against: slower
  7    batch: some rows failed
  130  interrupted or cancelled; 128 + N: stopped by signal N
"""


def exit_status(error: HfdaskError) -> int:
    """Return the exit status for this kind of error."""
    table: list[tuple[type[HfdaskError], int]] = [
        (InvalidConfigError, 2),
        (ProjectError, 3),
        (BrowserError, 1 if error.retryable else 4),
        (OutputNotWritableError, 5),
        (CertificateError, 6),
        (RenderCancelledError, 130),
    ]
    return next((status for kind, status in table if isinstance(error, kind)), 1)


class _Commands(click.Group):
    """Turn the errors of every command into one line and an exit status."""

    command_class = Configured
    debug = False
    is_program = False
    """True if this process runs nothing but a command."""

    def main(self, args: Sequence[str] | None = None, *others: Any, **extra: Any) -> Any:
        self.is_program = args is None
        with standard_streams(), signals_raised():
            try:
                return super().main(args, *others, **extra)
            except (Exception, Stopped) as error:
                status = _told(error)
                if self.debug:
                    traceback.print_exc()
                raise SystemExit(status) from error

    def invoke(self, ctx: click.Context) -> Any:
        self.debug = bool(ctx.params.get("debug"))
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            error.show()  # now: a browser that starts ends only when it has started
            raise click.exceptions.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            raise Stopped(signal.SIGINT) from error
        finally:
            if "hfdask.browser" in sys.modules:  # else there are none, and asking would import it
                hfdask.close_browsers()


def _told(error: BaseException) -> int:
    """Print an error for people and return its exit status."""
    if isinstance(error, HfdaskError):
        say(f"{error.code}: {error.message}")
        for note in getattr(error, "__notes__", ()):
            say(note)
        return exit_status(error)
    if isinstance(error, Stopped):
        say(f"RENDER_CANCELLED: {error}; finished chunks are kept")
        return error.status
    say(
        f"INTERNAL_ERROR: {type(error).__name__}: {error}; if this machine is not the cause, report it with the output of "
        "`hfdask --debug COMMAND`"
    )
    return 1


@click.group(cls=_Commands, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(hfdask.__version__, prog_name="hfdask")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Write a video as a web page; render it on a Dask cluster."""


_BENCHED = ("quality", "chunk_size", "target_chunk_frames", "max_chunks", "workers")
"""Fields that `bench` varies itself."""

_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document to standard output.")
_project = click.argument("project", type=click.Path())


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _numbers(_: click.Context, parameter: click.Parameter, text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in _parts(text)]
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a list of whole numbers", param=parameter) from error


def _sizes(context: click.Context, parameter: click.Parameter, text: str) -> list[int | None]:
    sizes: list[int | None] = []
    for part in _parts(text):
        sizes += [None] if part == "own" else _numbers(context, parameter, part) or []
    return sizes


@main.command(needs="render", configured=lambda: options_of(hfdask.JobConfig, hfdask.RenderConfig))
@_project
@click.option("-o", "--output", required=True, metavar="URL", help="The video; its ending gives the format.")
@click.option("--scheduler", metavar="ADDRESS", help="Address of a Dask scheduler; default: render on this machine.")
@click.option("--dashboard", is_flag=True, help="Give the embedded cluster a dashboard and print its address.")
@_as_json
def render(project: str, output: str, scheduler: str | None, as_json: bool, **options: Any) -> None:
    """Render PROJECT to a video."""
    arguments = given(options)
    if scheduler is None:
        result = hfdask.render(project, output, **arguments)
    else:
        with hfdask.connect(scheduler) as client:
            result = hfdask.render(project, output, client=client, **arguments)
    _print_result(result, as_json)


@main.command(
    needs="render_batch",
    configured=lambda: [
        *options_of(hfdask.JobConfig, only=("damage_test", "strict", "retries")),
        *options_of(hfdask.RenderConfig),
    ],
)
@_project
@click.argument("rows", metavar="ROWS")
@click.option("-o", "--output", required=True, metavar="URL", help="Names of the videos, such as 'out/{id}.mp4'.")
@click.option(
    "--manifest", metavar="URL", help="File of the results.  [default: batch.jsonl in the folder of the videos]"
)
@click.option("--on-error", type=click.Choice(["collect", "raise"]), help="If a row fails: go on, or end the batch.")
@click.option("--prefix", metavar="TEXT", help="Columns that begin with it are options.  [default: hfdask.]")
@click.option("--ignore", multiple=True, metavar="COLUMN", help="A column that is not a variable.")
@click.option(
    "--task-frames", type=int, metavar="N", help="Frames of the longest video that is one task.  [default: 300]"
)
@click.option("--scheduler", metavar="ADDRESS", help="Address of a Dask scheduler; default: render on this machine.")
@_as_json
def batch(project: str, rows: str, output: str, scheduler: str | None, as_json: bool, **options: Any) -> None:
    """Render a video of PROJECT for each row of ROWS, the URL of a JSONL, CSV or Parquet file."""
    from hfdask.cli.batch import tell_batch, watch_batch

    with ExitStack() as held:
        client = held.enter_context(hfdask.connect(scheduler)) if scheduler is not None else None
        under_way = hfdask.render_batch(project, rows, output, client=client, **given(options))
        try:
            watch_batch(under_way)
            under_way.wait()
        finally:
            under_way.cancel()
            under_way.wait(raises=False)
            failed = tell_batch(under_way, as_json)
    if failed:
        raise click.exceptions.Exit(7)


@main.command(needs="plan", configured=lambda: options_of(hfdask.RenderConfig))
@_project
@click.argument("plan_url")
@click.option("--explain", is_flag=True, help="Show the chunks, what each is expected to cost, and why.")
@_as_json
def plan(project: str, plan_url: str, explain: bool, as_json: bool, **options: Any) -> None:
    """Freeze PROJECT into a plan at PLAN_URL."""
    made = hfdask.plan(project, plan_url, **given(options))
    if as_json:
        _print_json({"plan_url": made.url, "stages": made.stages, "split": made.split, **_builtins(made)})
        return
    answer(repr(made))
    if explain:
        from hfdask.cli.tables import show_explanation

        show_explanation(made, options["workers"])
    _print_findings(made.findings)
    for warning in (*made.manifest.warnings, *made.messages):
        say(f"warning: {warning}")


@main.command(needs="render_chunk", browser=False)
@click.argument("plan_url")
@click.argument("index", type=int)
@click.option("-o", "--output", metavar="URL", help="The chunk's file.  [default: in the plan's folder]")
@click.option("--redo", is_flag=True, help="Render it even if it exists.")
@click.option("--damage-test/--no-damage-test", default=True, help="Capture only frames that change.")
@_as_json
def chunk(plan_url: str, index: int, output: str | None, redo: bool, damage_test: bool, as_json: bool) -> None:
    """Render chunk INDEX of the plan at PLAN_URL."""
    where = output or hfdask.Plan.open(plan_url).chunk_url(index)
    result = hfdask.render_chunk(plan_url, index, where, redo=redo, damage_test=damage_test)
    if as_json:
        _print_json(msgspec.to_builtins(result))
    else:
        answer(f"{result.url}: frames {result.start} to {result.end - 1}, {sum(result.stages.values()):.1f} s")


@main.command()
@click.argument("plan_url")
@click.argument("chunks", nargs=-1)
@click.option("-o", "--output", required=True, metavar="URL", help="The video; its ending gives the format.")
@click.option("--strict", is_flag=True, help="Fail if two chunks render the frame at their seam differently.")
@_as_json
def assemble(plan_url: str, chunks: tuple[str, ...], output: str, strict: bool, as_json: bool) -> None:
    """Join the CHUNKS (default: those in the plan's folder) of the plan at PLAN_URL."""
    opened = hfdask.Plan.open(plan_url)
    urls = list(chunks) or [opened.chunk_url(item.index) for item in opened.manifest.chunks]
    _print_result(hfdask.assemble(plan_url, urls, output, strict=strict), as_json)


@main.command(needs="still", configured=lambda: options_of(hfdask.RenderConfig))
@_project
@click.option("-t", "--time", "seconds", type=float, required=True, metavar="SECONDS", help="Time of the frame.")
@click.option("-o", "--output", required=True, metavar="URL", help="The picture, a PNG.")
@_as_json
def still(project: str, seconds: float, output: str, as_json: bool, **options: Any) -> None:
    """Write the frame of PROJECT at a time as a PNG."""
    frame = hfdask.still(project, seconds, output, **given(options))
    if as_json:
        _print_json({"output": output, "frame": frame, "time": seconds})
    else:
        answer(f"{output}: frame {frame}")


@main.command(configured=lambda: options_of(hfdask.RenderConfig))
@_project
@click.option("-o", "--output", required=True, metavar="URL", help="The picture, ending in .png, .jpg or .webp.")
@click.option("--at", type=click.Choice(["even", "clips"]), help="Frames at even distances, or the first of each clip.")
@click.option("--count", type=int, metavar="N", help="Frames at even distances.  [default: 12]")
@click.option("--columns", type=int, metavar="N", help="Pictures in a row.  [default: 4]")
@click.option("--tile", type=int, metavar="PIXELS", help="Width of a picture.  [default: 320]")
@_as_json
def sheet(project: str, output: str, as_json: bool, **options: Any) -> None:
    """Write some frames of PROJECT as one picture, with their times."""
    frames = hfdask.contact_sheet(project, output, **given(options))
    if as_json:
        _print_json({"output": output, "frames": frames})
    else:
        answer(f"{output}: {len(frames)} frames")


@main.command(
    needs="check",
    configured=lambda: options_of(hfdask.RenderConfig, only=("variables", "entry", "resolution", "scale")),
)
@_project
@click.option("--strict", "level", flag_value="strict", help="Exit with 3 if there are errors.")
@click.option("--strict-all", "level", flag_value="strict-all", help="Exit with 3 if there are findings.")
@_as_json
def check(project: str, level: Literal["strict", "strict-all"] | None, as_json: bool, **options: Any) -> None:
    """Report problems in PROJECT: what would break, differ between chunks, or be slow."""
    report = hfdask.check(project, **given(options))
    if as_json:
        answer(report.to_json().rstrip("\n"))
    else:
        from hfdask.cli.tables import show_findings

        show_findings(report)
    if report.failing(level or "report"):
        raise click.exceptions.Exit(3)


@main.command(needs="estimate", configured=lambda: options_of(hfdask.RenderConfig))
@_project
@click.option("--price", type=float, metavar="PRICE", help="Price of a worker for an hour.")
@_as_json
def estimate(project: str, price: float | None, as_json: bool, **options: Any) -> None:
    """Estimate what a render of PROJECT will take, from some frames that are rendered here."""
    result = hfdask.estimate(project, **given(options))
    money = None if price is None else result.money(price)
    if as_json:
        _print_json({**msgspec.to_builtins(result), "money": money})
    else:
        answer(str(result) + ("" if money is None else f", price {money:.4g}"))


@main.command(configured=lambda: options_of(hfdask.RenderConfig, without=_BENCHED))
@_project
@click.option(
    "--chunk-sizes",
    default="own,30,60,120",
    metavar="LIST",
    callback=_sizes,
    help="Frames of a chunk; own lets hfdask choose.",
    show_default=True,
)
@click.option(
    "--at-a-time", "workers", metavar="LIST", callback=_numbers, help="Chunks at a time.  [default: all slots]"
)
@click.option("--qualities", default="looks", metavar="LIST", help="Encoder presets.", show_default=True)
@click.option("--repeats", type=int, default=3, show_default=True, help="Renders of each with running browsers.")
@click.option("--scheduler", metavar="ADDRESS", help="Address of a Dask scheduler; default: measure this machine.")
@click.option("--folder", metavar="URL", help="Folder that the workers reach.  [default: a temporary one]")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the result there, as JSON."
)
@click.option(
    "--against",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An earlier result: exit with 6 if anything became slower.",
)
@click.option("--threshold", type=float, default=0.2, show_default=True, help="Share by which it may be slower.")
@_as_json
def bench(
    project: str,
    scheduler: str | None,
    output: Path | None,
    against: Path | None,
    threshold: float,
    qualities: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure renders of PROJECT with every combination of chunk size, chunks at a time and quality."""
    earlier = None if against is None else hfdask.Benchmark.from_json(against.read_bytes())
    arguments = {**given(options), "chunk_sizes": options["chunk_sizes"], "quality": _parts(qualities)}
    if scheduler is None:
        result = hfdask.sweep(project, **arguments)
    else:
        with hfdask.connect(scheduler) as client:
            result = hfdask.sweep(project, client=client, **arguments)
    if output is not None:
        try:
            output.write_text(result.to_json())
        except OSError as error:
            raise OutputNotWritableError(f"cannot write {output}: {error.strerror}") from error
    differences = () if earlier is None else result.against(earlier, threshold)
    if as_json:
        changes = [{**msgspec.to_builtins(each), "ratio": each.ratio} for each in differences]
        _print_json({"benchmark": msgspec.to_builtins(result), "differences": changes})
    else:
        from hfdask.cli.tables import show_benchmark

        show_benchmark(result)
        for each in differences:
            answer(f"{'slower: ' if each.slower else ''}{each}")
    if any(each.slower for each in differences):
        raise click.exceptions.Exit(6)


@main.command()
@click.argument("a")
@click.argument("b")
@click.option("--min-psnr", type=float, default=35.0, show_default=True, help="Minimum mean PSNR in dB, also of alpha.")
@click.option("--min-ssim", type=float, default=0.0, show_default=True, help="Minimum mean SSIM.")
@click.option("--fps", metavar="RATE", help="Frames per second of a sequence of pictures, to compare it with a WebP.")
@_as_json
def compare(a: str, b: str, min_psnr: float, min_ssim: float, fps: str | None, as_json: bool) -> None:
    """Compare the videos or pictures A and B frame by frame. They are paths or URLs."""
    result = hfdask.compare(a, b, fps=fps)
    nearest = min(result.mean_psnr, result.mean_alpha_psnr)
    passed = nearest >= min_psnr and result.mean_ssim >= min_ssim and result.equal_length
    if as_json:
        numbers = {name: _finite(value) for name, value in msgspec.to_builtins(result).items()}
        _print_json({**numbers, "equal_length": result.equal_length, "identical": result.identical, "passed": passed})
    else:
        lengths = "" if result.equal_length else f", lengths {result.frames_a} and {result.frames_b}"
        alpha = (
            f"PSNR of alpha mean {result.mean_alpha_psnr:.2f} min {result.min_alpha_psnr:.2f} dB, "
            if result.alpha_psnr
            else ""
        )
        answer(
            f"PSNR mean {result.mean_psnr:.2f} min {result.min_psnr:.2f} dB, {alpha}SSIM mean {result.mean_ssim:.5f} min "
            f"{result.min_ssim:.5f}, worst frame {result.worst_frame} of {result.frames}{lengths}"
        )
    if not passed:
        raise click.exceptions.Exit(6)


@main.command()
@click.argument("video")
@click.argument("certificate", required=False)
@click.option("--plan", "plan_url", metavar="URL", help="URL of the plan, if it has moved.")
@click.option("--sample", type=int, default=10, show_default=True, help="Frames to render again.")
@_as_json
def verify(video: str, certificate: str | None, plan_url: str | None, sample: int, as_json: bool) -> None:
    """Check VIDEO against its CERTIFICATE (default: next to it), and render some frames again."""
    result = hfdask.verify(video, certificate, plan_url=plan_url, sample=sample)
    if as_json:
        _print_json(msgspec.to_builtins(result))
    else:
        answer(
            f"{result.video}: matches its certificate; {len(result.checked)} of {result.frames} frames were rendered again and are equal"
        )


@main.command()
@click.option("--scheduler", metavar="ADDRESS", help="Look at all workers of this Dask cluster instead.")
@_as_json
def doctor(scheduler: str | None, as_json: bool) -> None:
    """Show what a render would use on this machine, or on every worker of a cluster, and what is missing."""
    if scheduler is not None:
        _survey(scheduler, as_json)
        return

    report = hfdask.diagnose()
    if as_json:
        _print_json(report.as_dict())
    else:
        for name, value in report.facts.items():
            answer(f"{name:<18} {value}")
        for text in report.warnings:
            say(f"warning: {text}")
    _tell_problems(report.problems)


def _survey(scheduler: str, as_json: bool) -> None:
    with hfdask.connect(scheduler) as client:
        report = hfdask.survey(client)
    if as_json:
        _print_json(report.as_dict())
    else:
        from hfdask.cli.tables import show_survey

        show_survey(report)
        for worker, found in report.workers.items():
            for text in found.warnings:
                say(f"warning: {worker}: {text}")
        for text in report.advice:
            say(f"warning: {text}")
    _tell_problems(report.problems)


def _tell_problems(problems: list[str]) -> None:
    for text in problems:
        say(f"problem: {text}")
    if problems:
        raise click.exceptions.Exit(4)


@main.command("install-browser")
def install_browser() -> None:
    """Get a Chromium headless shell, from Playwright or from the system's packages."""
    answer(hfdask.install_browser(say))


def _builtins(made: hfdask.Plan) -> dict[str, Any]:
    return {"plan": msgspec.to_builtins(made.manifest), "findings": msgspec.to_builtins(made.findings)}


def _print_findings(findings: tuple[hfdask.Finding, ...]) -> None:
    for line in hfdask.Finding.summary(findings):
        say(f"check: {line}")


@main.command("install-fonts")
def install_fonts() -> None:
    """Get the font families that stand for system fonts, with npm."""
    answer(hfdask.install_fonts(say))


def _print_result(result: hfdask.RenderResult, as_json: bool) -> None:
    for warning in result.warnings:
        say(f"warning: {warning}")
    if as_json:
        document = msgspec.to_builtins(result)
        del document["frame_rows"]  # for Python; the frame records have the same numbers
        _print_json(document)
        return
    _print_findings(result.findings)
    for what, worker in (("planned", result.planned_on), ("assembled", result.assembled_on)):
        if worker:
            say(f"{what} on {worker}")
    rate = result.frames / result.stages["total"] if "total" in result.stages else 0
    answer(
        f"{result.output}: {result.frames} frames at {result.fps} fps, {result.width}x{result.height}, "
        f"{result.size / 1e6:.1f} MB, {len(result.chunks)} {'chunk' if len(result.chunks) == 1 else 'chunks'}"
        + (f" ({reused} reused)" if (reused := sum(chunk.reused for chunk in result.chunks)) else "")
        + f", {result.static_frames} static frames"
        + (f", sound: {result.sound}" if result.sound else "")
        + (f", {result.stages['total']:.1f} s ({rate:.0f} frames/s)" if rate else "")
    )


def _finite(value: Any) -> Any:
    """Replace infinity, the PSNR of equal pictures, by null, because JSON has no infinity."""
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if value == float("inf") else value


def _print_json(document: Any) -> None:
    answer(json.dumps(document, indent=2, allow_nan=False))
