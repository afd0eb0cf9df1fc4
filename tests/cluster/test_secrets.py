"""Credentials and signed URLs of a render on a real cluster: no other user can find them."""

from __future__ import annotations

import json
import logging
import threading
import traceback
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from aftermath import below
from cluster_processes import workers_of
from distributed import Client, LocalCluster
from store_servers import SECRET, Server
from web import Page, Web

import hfdask
from hfdask import errors
from hfdask.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.slow]

IN_ENVIRONMENT = "FAKEenvironmentSecretFAKE"
IN_TOKEN = "FAKEsessionTokenFAKE"
SIGNED = "FAKEsignatureFAKE"
SECRETS = (SECRET, IN_ENVIRONMENT, IN_TOKEN, SIGNED)

SLOW = """<script>
const worker = new Worker(URL.createObjectURL(new Blob(["onmessage = () => setTimeout(() => postMessage(1), 300)"])));
addEventListener("hf-seek", (event) => event.detail.waitUntil(new Promise((done) => { worker.onmessage = done; worker.postMessage(1); })));
</script>"""
PAGES = [
    "status",
    "workers",
    "tasks",
    "system",
    "profile",
    "groups",
    "individual-plots.json",
    "metrics",
    "health",
    "info/main/workers.html",
    "info/logs.html",
    "json/counts.json",
    "json/index.html",
]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LocalCluster]:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", IN_ENVIRONMENT)
    monkeypatch.setenv("DATABASE_PASSWORD", IN_ENVIRONMENT)
    monkeypatch.setenv("HFDASK_CACHE", str(tmp_path / "cache"))
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1") as cluster:
        yield cluster


class Looker(threading.Thread):
    """Looks, during a render, at everything that other users of the machine and the network can see of it."""

    def __init__(self, client: Client) -> None:
        super().__init__(daemon=True)
        self.client, self.seen, self.over = client, set[str](), threading.Event()
        self.browsers = 0

    def run(self) -> None:
        while not self.over.wait(0.2):
            for process in below():
                try:
                    said = " ".join(process.cmdline())
                    self.seen.add(said)
                    if "headless" in process.name() or "run-driver" in said:
                        self.browsers += 1
                        self.seen.update(f"{name}={value}" for name, value in process.environ().items())
                except psutil.Error:
                    continue
            self._look_at_dashboard()

    def _look_at_dashboard(self) -> None:
        base = self.client.dashboard_link.removesuffix("/status")
        workers = workers_of(self.client).values()
        others = [f"http://127.0.0.1:{worker['services']['dashboard']}" for worker in workers]
        for url in [
            *(f"{base}/{page}" for page in PAGES),
            *(f"{other}/{page}" for other in others for page in PAGES[:7]),
        ]:
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    self.seen.add(answer.read().decode("utf-8", "replace"))
            except OSError:
                continue


def everything_that_was_said(client: Client) -> list[str]:
    """Logs, events, keys and reprs of the cluster."""
    logs = [client.get_scheduler_logs(), client.get_worker_logs(), client.get_worker_logs(nanny=True)]
    state = client.run_on_scheduler(
        lambda dask_scheduler: repr(
            [dask_scheduler.get_events(), list(dask_scheduler.tasks), dask_scheduler.transition_log]
        )
    )
    return [repr(logs), state, repr(client), repr(client.scheduler_info(n_workers=-1))]


def render(client: Client, s3: Server, folder: str, **options: Any) -> Any:
    given = {**s3.options, "token": IN_TOKEN}
    url = s3.url(folder)
    return hfdask.submit(
        f"{url}/project",
        f"{url}/out/video.mp4",
        client=client,
        plan_dir=f"{url}/plan",
        storage_options=given,
        **options,
    )


def test_no_secret_is_seen_anywhere(cluster, s3, web: Web, tmp_path, caplog, capfd):
    caplog.set_level(logging.INFO)  # below that, botocore logs what it signs
    for name in ("hfdask", "distributed", "asyncio", "aiohttp"):
        caplog.set_level(logging.DEBUG, name)
    folder = uuid.uuid4().hex
    web.pages["/go"] = Page(status=302, headers={"Location": f"/signed.svg?X-Amz-Signature={SIGNED}"})
    picture = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'
    web.pages["/signed.svg"] = Page(picture, "image/svg+xml")
    body = f'<img src="{web.url}/go"><h1>Hello</h1>{SLOW}<script>console.warn("at {web.url}/a?token={SIGNED[::-1]}")</script>'
    page = (
        f'<div data-composition-id="a" data-width="64" data-height="64" data-duration="2" data-no-timeline>{body}</div>'
    )
    store = Store(s3.url(folder), s3.options)
    store.put("project/index.html", page.encode())
    certified = {"fps": 5, "chunk_size": 5, "sweep": 0, "allow_hosts": ("127.0.0.1",), "certificate": True}
    with Client(cluster, set_as_default=False) as client:
        looker = Looker(client)
        looker.start()
        handle = render(client, s3, folder, **certified)
        result = handle.result(120)
        again = hfdask.verify(f"{s3.url(folder)}/out/video.mp4", storage_options=s3.options, sample=1)
        s3.fault = lambda method, path: 403 if method == "PUT" and "chunks/" in path else None
        failed = render(client, s3, folder, **{**certified, "fps": 4, "retries": 0})
        with pytest.raises(errors.StoreRefusedError) as caught:
            failed.result(120)
        s3.fault = lambda method, path: None
        looker.over.set()
        looker.join()
        told = everything_that_was_said(client)
    assert looker.browsers
    names = store.names()
    stored = b"".join(store.read(name) for name in names if not name.startswith("project/"))
    shown = [repr(each) for each in (handle, handle.plan, handle.job, result, again, failed, caught.value)]
    shown += [json.dumps(caught.value.details, default=repr), "".join(traceback.format_exception(caught.value))]
    shown += [*names, caplog.text, *capfd.readouterr()]
    for secret in SECRETS:
        assert secret.encode() not in stored, secret
        for text in (*looker.seen, *told, *shown):
            assert secret not in text, (secret, text[max(0, text.find(secret) - 300) : text.find(secret) + 100])
