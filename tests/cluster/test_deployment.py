"""The image and the compose file, as far as they can be tested without a container runtime."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import click
import dask
import fsspec
import pytest
import yaml
from distributed.cli.dask_scheduler import main as dask_scheduler
from distributed.cli.dask_worker import main as dask_worker
from samples import REPOSITORY
from store_servers import SECRET

import hfdask
from hfdask.cli import main as hfdask_cli

COMPOSE = REPOSITORY / "docs" / "compose.yaml"
OURS = ("bucket", "scheduler", "worker", "client")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return filled(yaml.safe_load(COMPOSE.read_text("utf-8")), {"S3_ACCESS_KEY": "testing", "S3_SECRET_KEY": SECRET})


def filled(node: Any, environment: dict[str, str]) -> Any:
    """The document with its ``${NAME}``, ``${NAME:-default}`` and ``${NAME:?message}`` replaced."""
    if isinstance(node, dict):
        return {name: filled(value, environment) for name, value in node.items()}
    if isinstance(node, list):
        return [filled(value, environment) for value in node]
    if not isinstance(node, str):
        return node
    return re.sub(
        r"\$\{(\w+)(?::-(.*?)|:\?.*?)?\}",
        lambda found: environment[found[1]] if found[2] is None else environment.get(found[1], found[2]),
        node,
    )


@pytest.fixture(scope="module")
def image() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order."""
    text = re.sub(r"(?m)^\s*#.*\n", "", (REPOSITORY / "Dockerfile").read_text("utf-8")).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


def of(image: list[tuple[str, str]], word: str) -> list[str]:
    return [rest for found, rest in image if found == word]


def test_the_image_copies_what_there_is_and_its_context_has_it(image):
    ignored = (REPOSITORY / ".dockerignore").read_text("utf-8").splitlines()
    for rest in of(image, "COPY"):
        if rest.startswith("--from="):
            continue
        *sources, _ = rest.split()
        for source in sources:
            assert (REPOSITORY / source).exists(), source
            assert f"!{source.split('/')[0]}" in ignored


def test_the_image_has_what_a_render_needs(image):
    runs = " ".join(of(image, "RUN"))
    for package in ("chromium-headless-shell", "fontconfig", "tini", "util-linux"):
        assert package in runs
    wanted = {extra for extras in re.findall(r"'\.\[([\w,]+)\]'", runs) for extra in extras.split(",")}
    assert {"s3", "gcs", "dashboard"} <= wanted
    assert wanted <= {line.split(" =")[0] for line in (REPOSITORY / "pyproject.toml").read_text().splitlines()}
    assert of(image, "ENTRYPOINT") == ['["tini", "-s", "--"]']


def test_the_image_is_not_root_and_can_write_its_cache(image):
    user = of(image, "USER")[-1]
    assert int(user) > 0
    made = [rest for word, rest in image[: image.index(("USER", user))] if word == "RUN"]
    environment = dict(pair.split("=", 1) for rest in of(image, "ENV") for pair in rest.split())
    assert f"install -d -m 1777 {environment['HFDASK_CACHE']}" in made[-1]
    assert ("RUN", "hfdask doctor") in image[image.index(("USER", user)) :]


def test_the_image_configures_dask_as_recommended(image):
    copied = dict(rest.split() for rest in of(image, "COPY") if len(rest.split()) == 2)
    source = next(source for source, target in copied.items() if target.startswith("/etc/dask/"))
    settings = dask.config.collect([str(REPOSITORY / source)], env={})
    assert dask.config.get("distributed.scheduler.worker-saturation", config=settings) == 1.0
    assert dask.config.get("distributed.worker.profile.enabled", config=settings) is False


@pytest.mark.parametrize("service", ["scheduler", "worker", "client"])
def test_commands_are_understood(compose, service):
    program, *arguments = compose["services"][service]["command"]
    commands: dict[str, click.Command] = {"scheduler": dask_scheduler, "worker": dask_worker}
    if program == "hfdask":
        name, command, rest = hfdask_cli.resolve_command(click.Context(hfdask_cli), arguments)
    else:
        name, *rest = arguments
        command = commands[name]
    assert name is not None
    assert command is not None
    parsed = command.make_context(name, list(rest)).params
    if service == "worker":
        assert parsed["scheduler"] == compose["services"]["client"]["command"][-1] == "tcp://scheduler:8786"
        assert parsed["nthreads"] == 1
        assert dask.utils.parse_bytes(parsed["memory_limit"]) < _bytes(compose["services"]["worker"])
    if service == "scheduler":
        assert parsed["port"] == "8786"


def test_an_unknown_option_would_be_found(compose):
    _, name, *rest = compose["services"]["worker"]["command"]
    with pytest.raises(click.NoSuchOption):
        dask_worker.make_context(name, [*rest, "--no-such-option"])


def _bytes(service: dict[str, Any]) -> int:
    return dask.utils.parse_bytes(
        service["deploy"]["resources"]["limits"]["memory"].replace("g", "GiB").replace("m", "MiB")
    )


def test_services_are_bounded_wait_for_each_other_and_share_one_image(compose):
    services = compose["services"]
    for name, service in services.items():
        limits = service["deploy"]["resources"]["limits"]
        assert limits["pids"] > 0, name
        assert _bytes(service) > 0, name
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] == "service_completed_successfully" or "healthcheck" in services[other], (
                name,
                other,
            )
    assert {services[name]["image"] for name in OURS} == {"hfdask"}
    assert {Path(COMPOSE.parent, services[name]["build"]["context"]).resolve() for name in OURS} == {REPOSITORY}
    assert all("init" not in services[name] for name in OURS)  # the image has one


def test_volumes_are_declared_or_there(compose, image):
    cache = next(pair.split("=")[1] for rest in of(image, "ENV") for pair in rest.split() if "HFDASK_CACHE" in pair)
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            source, target, *_ = volume.split(":")
            assert source in compose["volumes"] or (COMPOSE.parent / source).is_dir(), volume
            assert source != "cache" or target == cache


def test_no_secret_has_a_default():
    text = COMPOSE.read_text("utf-8")
    assert re.findall(r"\$\{S3_\w+(.{2})", text)
    assert all(how == ":?" for how in re.findall(r"\$\{S3_\w+(.{2})", text))
    with pytest.raises(KeyError):
        filled(yaml.safe_load(text), {})


@pytest.mark.browser
@pytest.mark.slow
def test_the_services_render_as_processes_of_this_machine(compose, s3_server, project, tmp_path):
    """The commands, health checks and environment as they are; only names of hosts and ports are replaced."""
    store = s3_server.options["endpoint_url"].replace("127.0.0.1", "localhost")
    scheduler, dashboard, of_worker = _free_ports(3)
    names = {"tcp://scheduler:8786": f"tcp://127.0.0.1:{scheduler}", "http://store:9000": store}
    names |= {"/project": str(project()), "8786": str(scheduler)}
    ports = {"scheduler": dashboard, "worker": of_worker}

    def start(name: str) -> subprocess.Popen[bytes]:
        service = compose["services"][name]
        words = [_renamed(word, {**names, ":8787": f":{ports.get(name)}"}) for word in service["command"]]
        words[0] = sys.executable if words[0] == "python" else _beside_python(words[0])
        environment = {key: _renamed(value, names) for key, value in service.get("environment", {}).items()}
        environment |= {"HFDASK_CACHE": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}
        return subprocess.Popen(words, env={**os.environ, **environment}, cwd=tmp_path)

    with ExitStack() as running:
        assert start("bucket").wait(120) == 0
        for name in ("scheduler", "worker"):
            running.enter_context(_stopped(start(name)))
            _wait_for(_health(compose, name).replace("8787", str(ports[name])))
        assert start("client").wait(300) == 0
    files = fsspec.filesystem("s3", key="testing", secret=SECRET, endpoint_url=store)
    assert files.info("videos/title.mp4")["size"] > 1000
    assert hfdask.__file__.startswith(str(REPOSITORY))


def _renamed(word: str, names: dict[str, str]) -> str:
    for name, other in names.items():
        word = word.replace(name, other)
    return word


def _beside_python(program: str) -> str:
    found = shutil.which(program, path=str(Path(sys.executable).parent))
    assert found, program
    return found


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def _stopped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """As a container runtime stops it."""
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(30) is not None


def _health(compose: dict[str, Any], service: str) -> str:
    _, program, _, code = compose["services"][service]["healthcheck"]["test"]
    assert program == "python"
    compile(code, shlex.quote(code), "exec")
    return re.search(r"http://[^']+", code)[0]  # type: ignore[index]


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            with urlopen(url, timeout=5) as answer:
                assert answer.status == 200
                return
        except OSError:
            assert time.monotonic() < deadline, url
            time.sleep(0.2)
