"""Shared by all tests: small projects, and browsers that are closed at the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import aftermath
import dask
import hypothesis
import pytest
from aftermath import nothing_left  # noqa: F401 - a fixture
from cluster_processes import cluster_processes  # noqa: F401 - a fixture
from fake_browser import fake_browser, real_browser  # noqa: F401 - fixtures
from faulty_store import faulty  # noqa: F401 - a fixture
from late_files import late  # noqa: F401 - a fixture
from samples import BOX, EXAMPLES
from store_servers import gcs, gcs_server, s3, s3_server, small_disk  # noqa: F401 - fixtures
from warm_browsers import few_browsers, warm_browsers  # noqa: F401 - a fixture
from web import web  # noqa: F401 - a fixture

# The profiler can lock workers up (see `hfdask.cluster.embedded`): off in this process, and in clusters' processes.
os.environ["DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED"] = "False"
dask.config.refresh()

hypothesis.settings.register_profile("no deadline", deadline=None)  # machines may be busy
hypothesis.settings.load_profile("no deadline")

TEMPORARY = aftermath.isolate()


@pytest.fixture(scope="session", autouse=True)
def _browsers() -> Iterator[None]:
    with warm_browsers():
        yield
    shutil.rmtree(TEMPORARY, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the cases that are not in their test's `sample` as slow."""
    names: dict[str, set[str]] = {}
    for item in items:
        if isinstance(item, pytest.Function) and (sample := item.get_closest_marker("sample")):
            test, _, case = item.nodeid.partition("[")
            names.setdefault(test, {*sample.args}).discard(case[:-1])
            if case[:-1] not in sample.args:
                item.add_marker(pytest.mark.slow)
    unknown = {test: left for test, left in names.items() if left}
    whole = not config.getoption("lf", default=False) and not any("::" in argument for argument in config.args)
    if unknown and whole:
        raise pytest.UsageError(f"samples name cases that their tests do not have: {unknown}")


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Writes a project: `project(html)` or `project(html, **{"a.js": text})`; returns its folder."""

    def write(html: str = BOX, **files: str | bytes) -> Path:
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        (folder / "index.html").write_text(f"<!doctype html><html><body>{html}</body></html>", "utf-8")
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    return write


@pytest.fixture(scope="session")
def gsap() -> bytes:
    """GSAP's script, which `make setup` takes from npm: its licence does not let us keep a copy."""
    script = EXAMPLES / "gsap" / "vendor" / "gsap.min.js"
    if not script.is_file():
        pytest.fail(f"{script} is missing; `make setup` fetches it with npm")
    return script.read_bytes()
