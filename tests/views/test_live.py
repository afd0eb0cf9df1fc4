"""A render shows itself in a notebook while it runs, can be awaited, and ends if its cell is interrupted."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from samples import SLOW, paced

import hfdask
from hfdask.cluster.handle import WorkerShare
from hfdask.views.live import render_html

SUPPORT = Path(__file__).parents[1] / "support"
LONG = SLOW.replace('data-seek-ms="30"', 'data-seek-ms="100"')


class Notebook:
    """A kernel, and what its cells show, as a front end sees it."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self._manager, self._client = manager, client

    def run(self, code: str, *, interrupted_after: str = "") -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Run a cell; return the reply and the displays in order. Interrupt it when a display has this text."""
        asked = self._client.execute(code)
        shown: list[dict[str, Any]] = []
        while True:
            message = self._client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != asked:
                continue
            content = message["content"]
            if message["msg_type"] in ("display_data", "update_display_data", "execute_result"):
                shown.append({"kind": message["msg_type"], "id": content.get("transient", {}), **content["data"]})
                # The first output comes from the cell itself, perhaps before it waits.
                is_update = message["msg_type"] == "update_display_data"
                if interrupted_after and is_update and re.search(interrupted_after, content["data"]["text/html"]):
                    interrupted_after = ""
                    self._manager.interrupt_kernel()
            elif message["msg_type"] == "stream":
                shown.append({"kind": "stream", "text/plain": content["text"]})
            elif message["msg_type"] == "status" and content["execution_state"] == "idle":
                return self._reply(asked), shown

    def _reply(self, asked: str) -> dict[str, Any]:
        while True:
            reply = self._client.get_shell_msg(timeout=10)  # the start has left answers to other requests
            if reply["parent_header"].get("msg_id") == asked:
                return reply["content"]


@pytest.fixture(scope="module")
def notebook(tmp_path_factory) -> Iterator[Notebook]:
    """A kernel with fake browsers and three projects: ``short``, ``long`` and ``page``; the folder is ``folder``."""
    folder = tmp_path_factory.mktemp("notebook")
    for name, html in (("short", paced(20)), ("long", LONG)):
        (folder / name).mkdir()
        (folder / name / "index.html").write_text(f"<!doctype html><html><body>{html}</body></html>")
    kernel = {"IPYTHONDIR": str(folder / "ipython"), "PYTHONPATH": f"{SUPPORT}:{os.environ.get('PYTHONPATH', '')}"}
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env={**os.environ, **kernel}, cwd=str(folder))
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    notebook = Notebook(manager, client)
    reply, _ = notebook.run(
        "import threading, time, hfdask, fake_browser\n"
        "from distributed import Client, LocalCluster\n"
        "faked = fake_browser.faked(); faked.__enter__()\n"
        "cluster = LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None)\n"
        "client = Client(cluster)"
    )
    assert reply["status"] == "ok", reply
    yield notebook
    notebook.run("client.close(); cluster.close(); faked.__exit__(None, None, None)")
    client.stop_channels()
    manager.shutdown_kernel()


def test_a_cell_that_renders_shows_progress_in_one_output_without_widgets(notebook):
    reply, shown = notebook.run("result = hfdask.render('short', 'a.mp4', chunk_size=10)")
    assert reply["status"] == "ok"
    assert [each["kind"] for each in shown] == ["display_data", *["update_display_data"] * (len(shown) - 1)]
    assert len({each["id"]["display_id"] for each in shown}) == 1
    assert "0 of 0 frames" in shown[0]["text/html"]
    assert "done, 30 of 30 frames, 3 of 3 chunks" in shown[-1]["text/html"]
    assert ">capture *<" in shown[-1]["text/html"]
    assert shown[-1]["text/plain"].startswith("<Render done: 30/30 frames, 3/3 chunks, ")


@pytest.mark.slow
def test_a_cell_that_submits_does_not_wait_and_shows_the_render(notebook):
    reply, shown = notebook.run(
        "render = hfdask.submit('long', 'b.mp4', client=client, chunk_size=60, sweep=0)\nrender"
    )
    assert reply["status"] == "ok"
    assert shown[-1]["text/plain"].startswith("<Render plan: 0/0 frames")
    assert {"display_data"} <= {each["kind"] for each in shown} <= {"display_data", "update_display_data"}
    reply, shown = notebook.run("while not render._pictures and not render.done(): time.sleep(0.1)\ntime.sleep(1.2)")
    assert "of 120 frames" in shown[-1]["text/html"]  # updates come while another cell runs
    assert re.search(r"inproc://.*>0, 1</td>|inproc://.*>1, 0</td>", shown[-1]["text/html"])
    assert re.search(r"src='data:image/jpeg;base64,[^']+'.*<br>inproc://.*: frame \d+</figure>", shown[-1]["text/html"])
    reply, shown = notebook.run("render.cancel(wait_seconds=30)\nrender.done()")
    assert [each["text/plain"] for each in shown if each["kind"] == "execute_result"] == ["True"]


def test_await_in_a_cell_gives_the_result(notebook):
    reply, shown = notebook.run("await hfdask.submit('short', 'c.mp4', client=client)")
    assert reply["status"] == "ok"
    assert shown[-1]["text/plain"].startswith("<RenderResult ")
    assert "<video " in shown[-1]["text/html"]


@pytest.mark.sample("await")
@pytest.mark.parametrize(
    "call",
    [
        "hfdask.render('long', 'd.mp4', chunk_size=60, sweep=0)",
        "render = hfdask.submit('long', 'd.mp4', client=client, chunk_size=60, sweep=0); display(render); render.result()",
        "render = hfdask.submit('long', 'd.mp4', client=client, chunk_size=60, sweep=0); display(render); await render",
    ],
    ids=["render", "result", "await"],
)
def test_an_interrupted_cell_cancels_the_render_and_the_output_is_free_at_once(notebook, call):
    reply, shown = notebook.run(call, interrupted_after=r"render, \d+ of 120 frames")
    assert reply["status"] == "error", [each["text/plain"] for each in shown]
    assert reply["ename"] in ("KeyboardInterrupt", "CancelledError")
    reply, shown = notebook.run(
        "tasks = client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))\n"
        "again = hfdask.submit('long', 'd.mp4', client=client, chunk_size=60, sweep=0)\n"
        "while again.progress.stage == 'plan' and not again.done(): time.sleep(0.05)\n"
        "stage = again.progress.stage\n"
        "again.cancel(wait_seconds=30)\n"
        "(tasks, stage, [t.name for t in threading.enumerate() if t.name in ('hfdask-render', 'hfdask-assemble')])"
    )
    assert reply["status"] == "ok", reply
    assert shown[-1]["text/plain"] == "(0, 'render', [])"


BATCH = "batch = hfdask.render_batch('long', [{'id': i, 'hfdask.crf': i, 'hfdask.fps': 10} for i in range(20, 26)], 'b/{id}.mp4', client=client, ignore=['id'])"


@pytest.mark.slow
def test_a_cell_shows_a_batch_that_runs(notebook):
    reply, shown = notebook.run(f"{BATCH.replace('long', 'short')}\ndisplay(batch)\nlen(await batch)")
    assert reply["status"] == "ok", reply
    assert shown.pop()["text/plain"] == "6"
    assert [each["kind"] for each in shown] == ["display_data", *["update_display_data"] * (len(shown) - 1)]
    assert "running, 0 of 6 rows" in shown[0]["text/html"]
    reply, shown = notebook.run("batch")
    assert re.search(r"done, 6 of 6 rows, 6 rendered, [\d.]+ rows a second<", shown[-1]["text/html"])


@pytest.mark.parametrize("wait", ["batch.result()", "await batch", "async for row in batch: pass"])
def test_an_interrupted_cell_cancels_the_batch(notebook, wait: str):
    reply, shown = notebook.run(f"{BATCH}\ndisplay(batch)\n{wait}", interrupted_after=r"running, \d of 6 rows")
    assert reply["status"] == "error", [each["text/plain"] for each in shown]
    assert reply["ename"] in ("KeyboardInterrupt", "CancelledError")
    reply, shown = notebook.run(
        "ended = batch.wait(60, raises=False)\n"
        "(ended, batch.progress.done < 6 or list(batch.results()), client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))"
    )
    assert reply["status"] == "ok", reply
    assert shown[-1]["text/plain"] == "(True, True, 0)"


def test_a_terminal_shows_a_render_once_as_text(notebook):
    _, shown = notebook.run(
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "import hfdask.views.live as live, concurrent.futures\n"
        "import IPython\n"
        "kept, IPython.get_ipython = IPython.get_ipython, lambda: None\n"
        "print(live.show(lambda: {'text/plain': 'here'}, concurrent.futures.Future()))\n"
        "IPython.get_ipython = kept"
    )
    assert [each["text/plain"].strip() for each in shown] == ["here", "None"]


def test_texts_are_escaped_and_a_long_list_of_workers_is_cut():
    share = WorkerShare(chunks=1, frames=1200, running=[7, 8])
    html = render_html(
        "<b>.mp4",
        hfdask.Progress("<stage>", done=5, frames=10, fps=2.0),
        {f"<i>{number}": share for number in range(100)},
        {"<em>": 1.0},
        ValueError("<script>"),
    )
    assert re.findall(r"<(?:stage|i|em|script)>", html) == []
    assert "&lt;stage&gt;, 5 of 10 frames, 0 of 0 chunks, 2.0 frames a second" in html
    assert "width:50.0%" in html
    assert html.count("7, 8") == 24
    assert "and 76 more" in html
    assert "1,200" in html
    assert f"{76 * 1200:,}" in html
