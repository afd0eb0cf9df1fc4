"""Planning and assembly on the driver or on a worker: the same plan and the same video."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from cluster_processes import in_processes, in_this_process
from distributed import Client, Worker, WorkerPlugin
from fake_browser import FakeBrowsers
from samples import BOX, paced
from slow import sampled

import hfdask
import hfdask.cluster.tasks
from hfdask import errors
from hfdask.browser.discovery import find_browser
from hfdask.cli import main
from hfdask.formats.join import FileJoin
from hfdask.store import Store

pytestmark = pytest.mark.usefixtures("fake_browser")


@pytest.fixture(scope="module")
def two() -> Iterator[Client]:
    """Yield two workers in separate processes, which have the browser of the environment they were started in."""
    with in_processes() as client:
        client.register_plugin(FakeBrowsers())
        yield client


@pytest.fixture(scope="module")
def near() -> Iterator[Client]:
    """A worker in this process, whose tasks can be replaced."""
    with in_this_process() as client:
        yield client


@pytest.fixture
def no_browser(monkeypatch, tmp_path) -> None:
    """This process has none, as a notebook's has none."""
    monkeypatch.setenv("HFDASK_BROWSER", str(tmp_path / "none"))
    with pytest.raises(errors.BrowserNotFoundError):
        find_browser()


# Assembly


@pytest.mark.slow
def test_a_worker_assembles_the_same_video(project, two, tmp_path):
    first = hfdask.render(project(), tmp_path / "a.mp4", client=two, chunk_size=10, certificate=True)
    seen = set()
    handle = hfdask.submit(
        project(), tmp_path / "b" / "b.mp4", client=two, chunk_size=10, certificate=True, assemble_on="worker"
    )
    while not handle.done():
        seen.add(handle.progress.stage)
        time.sleep(0.005)
    second = handle.result()
    assert "assemble on a worker" in seen
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b" / "b.mp4").read_bytes()
    assert sorted(os.listdir(tmp_path / "b")) == ["b.mp4", "b.mp4.certificate.json"]
    assert first.assembled_on == ""
    assert second.assembled_on in two.nthreads()
    assert [chunk.index for chunk in second.chunks] == [0, 1, 2]
    assert second.digest == first.digest
    assert second.stages["assemble"] > 0


def test_assembly_on_a_worker_is_metered_and_has_a_name(project, near, tmp_path):
    hfdask.render(project(), tmp_path / "out.mp4", client=near, chunk_size=10, assemble_on="worker")

    def stages(dask_scheduler) -> dict[str, float]:
        found: dict[str, float] = {}
        for span in dask_scheduler.extensions["spans"].spans.values():
            for key, seconds in span.cumulative_worker_metrics.items():
                if key[:2] == ("execute", "assemble"):
                    found[key[2]] = seconds
        return found

    deadline = time.monotonic() + 10
    while not (found := near.run_on_scheduler(stages)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found["hf-assemble"] > 0


@pytest.mark.parametrize("error", [errors.StoreError("gone"), errors.WorkerLostError("dead")])
def test_errors_of_it_that_heal_are_retried(error, project, near, tmp_path, monkeypatch):
    calls = []
    original = hfdask.cluster.tasks.assemble

    def assemble(*args, **kwargs):
        calls.append(args)
        if len(calls) == 1:
            raise error
        return original(*args, **kwargs)

    monkeypatch.setattr(hfdask.cluster.tasks, "assemble", assemble)
    hfdask.render(project(), tmp_path / "out.mp4", client=near, chunk_size=10, assemble_on="worker")
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("error", "expected"),
    [(errors.OutputInvalidError("bad"), errors.OutputInvalidError), (ZeroDivisionError("bug"), errors.HfdaskError)],
)
def test_errors_of_it_that_cannot_heal_are_raised(error, expected, project, near, tmp_path, monkeypatch):
    calls = []

    def assemble(*args, **kwargs):
        calls.append(args)
        raise error

    monkeypatch.setattr(hfdask.cluster.tasks, "assemble", assemble)
    with pytest.raises(expected, match=r"bad|bug") as caught:
        hfdask.render(project(), tmp_path / "out.mp4", client=near, chunk_size=10, assemble_on="worker")
    assert len(calls) == 1
    assert expected is errors.HfdaskError or caught.value.details["worker"].startswith("inproc://")
    assert not (tmp_path / "out.mp4").exists()


class DieOnce(WorkerPlugin):
    """The first assembly kills its worker in the middle."""

    def __init__(self, note: str) -> None:
        self.note = note

    def setup(self, worker: Worker) -> None:
        original = FileJoin.append

        def append(join, chunk, *args):
            original(join, chunk, *args)
            if not os.path.exists(self.note):
                Path(self.note).touch()
                os.kill(os.getpid(), signal.SIGKILL)

        FileJoin.append = append


@pytest.mark.slow
def test_a_worker_that_dies_while_it_assembles_is_replaced(project, tmp_path):
    with in_processes() as client:
        client.register_plugin(FakeBrowsers())
        client.register_plugin(DieOnce(str(tmp_path / "note")))
        output = tmp_path / "out" / "out.mp4"
        video = hfdask.render(project(), output, client=client, chunk_size=10, assemble_on="worker")
    assert (tmp_path / "note").exists()
    assert video.frames == 30
    assert os.listdir(tmp_path / "out") == ["out.mp4"]


@pytest.mark.slow
def test_an_output_that_workers_cannot_write_is_refused(project, two, tmp_path):
    with pytest.raises(errors.InvalidConfigError) as caught:
        hfdask.render(
            project(),
            "memory://places/out.mp4",
            client=two,
            plan_dir=str(tmp_path / "plan"),
            assemble_on="worker",
        )
    assert caught.value.details["field"] == "output"


@pytest.mark.parametrize("option", ["plan_on", "assemble_on"])
def test_places_that_are_none(option, project, near, tmp_path):
    with pytest.raises(errors.InvalidConfigError, match="driver, worker") as caught:
        hfdask.submit(project(), tmp_path / "out.mp4", client=near, **{option: "scheduler"})
    assert caught.value.details["field"] == option


# Planning


def plan_hash(project: Path, tmp_path: Path, **options) -> str:
    return hfdask.plan(project, tmp_path / "here", workers=2, **options).hash


def test_where_the_driver_has_no_browser_a_worker_plans(project, two, tmp_path, request):
    source = project(**{"a/b.txt": "b", "node_modules/x.js": "", "hfdask.toml": "[render]\nfps = 10\n"})
    (source / "linked.txt").symlink_to(source / "a" / "b.txt")
    (source / "outside").symlink_to("/etc/hostname")
    here = plan_hash(source, tmp_path)
    request.getfixturevalue("no_browser")
    seen = set()
    handle = hfdask.submit(source, tmp_path / "out" / "out.mp4", client=two, plan_dir=str(tmp_path / "plan"))
    while not handle.done():
        seen.add(handle.progress.stage)
        time.sleep(0.01)
    video = handle.result()
    assert "plan on a worker" in seen
    assert video.planned_on in two.nthreads()
    assert video.plan_hash == here
    assert video.frames == 10  # by the project's own file
    assert {"compile", "materialise", "check", "probe", "freeze"} <= video.stages.keys()
    assert not [name for name in os.listdir(tmp_path / "plan") if name.startswith("planning")]
    paths = [artifact.path for artifact in hfdask.Plan.open(tmp_path / "plan").manifest.artifacts]
    assert paths == ["a/b.txt", "index.html", "linked.txt"]


@pytest.mark.parametrize("kind", sampled(["folder", "file", "inside", "skipped", "of the project's file"]))
def test_what_replaces_urls_is_handed_over(kind, project, two, tmp_path):
    source = project(f"<script src='https://cdn.example/lib/dist/a.js'></script>{BOX}", **{"vendor/dist/a.js": "1"})
    outside = tmp_path / "elsewhere"
    shutil.copytree(source / "vendor", outside)
    shutil.copytree(source / "vendor", source / "node_modules")
    options = {
        "folder": {"https://cdn.example/lib": str(outside)},
        "file": {"https://cdn.example/lib/dist/a.js": str(outside / "dist" / "a.js")},
        "inside": {"https://cdn.example/lib": str(source / "vendor")},
        "skipped": {"https://cdn.example/lib": str(source / "node_modules")},
    }.get(kind)
    if options is None:
        (source / "hfdask.toml").write_text('[render.replace_urls]\n"https://cdn.example/lib" = "vendor"\n')
    config = {"replace_urls": options} if options else {}
    here = plan_hash(source, tmp_path, **config)
    keep = str(tmp_path / "plan")
    video = hfdask.render(source, tmp_path / "out.mp4", client=two, plan_on="worker", plan_dir=keep, **config)
    assert video.plan_hash == here
    resources = hfdask.Plan.open(tmp_path / "plan").manifest.resources
    assert [resource.url for resource in resources] == ["https://cdn.example/lib/dist/a.js"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["project", "document"])
def test_a_project_and_a_plan_in_a_store(kind, s3, project, two, tmp_path, request):
    source = project(**{"a.txt": "a", "hfdask.toml": "[render]\nfps = 10\n"})
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (outside / "a.js").write_text("1")
    config = {"storage_options": s3.options, "replace_urls": {"https://cdn.example": str(outside)}}
    here = plan_hash(source, tmp_path, replace_urls=config["replace_urls"])
    store = Store(s3.url(f"places-{kind}"), s3.options)
    for path in source.iterdir():
        store.put(f"project/{path.name}", path)
    url = store.url_of("project") + ("/index.html" if kind == "document" else "")
    request.getfixturevalue("no_browser")
    video = hfdask.render(url, store.url_of("out.mp4"), client=two, assemble_on="worker", **config)
    assert video.plan_hash == here
    assert video.planned_on
    assert video.assembled_on
    again = hfdask.render(source, store.url_of("out.mp4"), client=two, **config)
    assert again.plan_hash == here
    assert set(store.names()) == {f"project/{path.name}" for path in source.iterdir()} | {"out.mp4"}


@pytest.mark.parametrize("plan_on", ["auto", "worker"])
def test_what_this_machine_can_tell_it_tells_at_once(plan_on, project, two, tmp_path, no_browser):
    source, output = project(), tmp_path / "out.mp4"
    (tmp_path / "empty").mkdir()
    with pytest.raises(errors.EntryNotFoundError, match="empty"):
        hfdask.render(tmp_path / "empty", output, client=two, plan_on=plan_on)
    with pytest.raises(errors.InvalidConfigError, match="does not exist"):
        hfdask.render(
            source, output, client=two, plan_on=plan_on, replace_urls={"https://cdn.example": str(tmp_path / "no")}
        )
    with pytest.raises(errors.InvalidConfigError):
        hfdask.submit(source, output, client=two, plan_on=plan_on, fps=0)
    with pytest.raises(errors.OutputNotWritableError):
        hfdask.submit(source, "/proc/out.mp4", client=two, plan_on=plan_on)


def test_without_a_browser_and_without_other_processes_it_is_said(project, near, tmp_path, no_browser):
    with pytest.raises(errors.BrowserNotFoundError):
        hfdask.render(project(), tmp_path / "out.mp4", client=near)


def test_a_driver_that_is_told_to_plan_does(project, two, tmp_path, no_browser):
    with pytest.raises(errors.BrowserNotFoundError):
        hfdask.render(project(), tmp_path / "out.mp4", client=two, plan_on="driver")


@pytest.mark.slow
def test_cancel_while_a_worker_plans(project, two, tmp_path):
    handle = hfdask.submit(project(paced(100)), tmp_path / "out" / "out.mp4", client=two, plan_on="worker")
    deadline = time.monotonic() + 10
    while handle.progress.stage != "plan on a worker" and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)
    handle.cancel()
    with pytest.raises(errors.RenderCancelledError):
        handle.result(timeout=5)

    def executing(dask_worker) -> int:
        return dask_worker.state.executing_count

    deadline = time.monotonic() + 20
    while sum(two.run(executing).values()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not (tmp_path / "out" / "out.mp4").exists()
    assert not list((tmp_path / "out").rglob("plan.json"))
    assert not list((tmp_path / "out").rglob("planning-*"))


def test_the_command_line(project, two, tmp_path, no_browser):
    arguments = ["render", str(project()), "-o", str(tmp_path / "out.mp4"), "--scheduler", two.scheduler.address]
    run = CliRunner().invoke(main, [*arguments, "--assemble-on", "worker", "--json"])
    assert run.exit_code == 0, run.output
    video = json.loads(run.stdout)
    assert video["planned_on"]
    assert video["assembled_on"]
    again = CliRunner().invoke(main, [*arguments, "--plan-on", "driver"])
    assert again.exit_code == 4
    assert "CHROME_BINARY_UNAVAILABLE" in again.stderr


def test_a_project_in_this_process_s_memory_is_planned_elsewhere(project, two, tmp_path):
    source = project(**{"a.txt": "a"})
    here = plan_hash(source, tmp_path)
    store = Store("memory://places-project")
    for path in source.iterdir():
        store.put(path.name, path)
    video = hfdask.render("memory://places-project", tmp_path / "out.mp4", client=two, plan_on="worker")
    assert video.plan_hash == here
