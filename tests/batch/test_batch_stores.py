"""Batches whose rows and videos are on object stores."""

from __future__ import annotations

import json
import uuid
from typing import Any

import fsspec
import pytest
from cluster_processes import in_processes
from fake_browser import FakeBrowsers
from samples import paced
from store_contract import Place
from store_servers import SECRET

import hfdask
from hfdask.batch import manifest
from hfdask.errors import RenderCancelledError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("fake_browser", "nothing_left")]


@pytest.fixture(params=["s3", "gcs"])
def place(request, tmp_path, monkeypatch) -> Place:
    monkeypatch.setenv("HFDASK_CACHE", str(tmp_path / "cache"))
    server = request.getfixturevalue(request.param)
    return Place(
        server.url(uuid.uuid4().hex), {**server.options, **({"token": SECRET} if request.param == "s3" else {})}
    )


def test_a_batch_goes_on_where_nothing_can_be_appended(project, place, monkeypatch):
    monkeypatch.setattr(manifest, "PART_SECONDS", 0)
    fs, _ = fsspec.url_to_fs(place.url, **place.options)
    with fs.open(f"{place.url}/rows.jsonl", "w") as file:
        file.writelines(json.dumps({"id": number, "text": number // 2}) + "\n" for number in range(8))
    source = project(paced(5))

    def start(client: Any) -> hfdask.Batch:
        return hfdask.render_batch(
            source,
            f"{place.url}/rows.jsonl",
            f"{place.url}/out/{{id}}.mp4",
            client=client,
            storage_options=place.options,
            ignore=["id"],
        )

    with in_processes() as client:
        client.register_plugin(FakeBrowsers())
        batch = start(client)
        while not batch.progress.done and batch.wait(0.01) is False:
            pass
        batch.cancel()
        with pytest.raises(RenderCancelledError):
            batch.wait()
        done = {each.row for each in batch.results()}
        assert done
        batch = start(client)
        table = batch.result(120)
    assert {row for row in range(8) if table.loc[row, "status"] == "reused"} == done
    assert set(table["status"]) <= {"rendered", "copied", "reused"}
    assert len(set(table["digest"])) == 1
    fs.invalidate_cache()
    names = {name.rpartition("/out/")[2] for name in fs.find(f"{place.url}/out")}
    assert names == {"batch.jsonl", *(f"{row}.mp4" for row in range(8))}
    text = fs.cat_file(f"{place.url}/out/batch.jsonl").decode()
    assert SECRET not in text
    assert len({json.loads(line)["output"] for line in text.splitlines()}) == 8


@pytest.mark.parametrize(("pattern", "format"), [("{id}/", "png"), ("{id}.m3u8", "hls")])
def test_outputs_of_several_files_are_certified_copied_compared_and_used_again(pattern, format, project, place):
    source, rows = project(paced(0)), [{"id": "one"}, {"id": "two"}]
    options: dict[str, Any] = {"format": format, "storage_options": place.options}

    def outputs() -> list[str]:
        batch = hfdask.render_batch(source, rows, f"{place.url}/out/{pattern}", ignore=["id"], **options)
        batch.wait(120)
        assert [result.message for result in batch.results()] == ["", ""]
        return sorted(result.status for result in batch.results())

    assert outputs() == ["copied", "rendered"]
    assert outputs() == ["reused", "reused"]
    one, two = (f"{place.url}/out/{pattern.replace('{id}', name)}" for name in ("one", "two"))
    assert hfdask.compare(one, two, storage_options=place.options).identical
    name = pattern.replace("{id}", "three")
    plan = f"{place.url}/plan"
    hfdask.render(source, f"{place.url}/{name}", certificate=True, plan_dir=plan, chunk_size=15, **options)
    assert hfdask.verify(f"{place.url}/{name}", sample=2, storage_options=place.options).checked == (0, 29)
    fs, _ = fsspec.url_to_fs(place.url, **place.options)
    lost = next(
        each for each in fs.find(f"{place.url}/out") if "two" in each and each.endswith(("00000.m4s", "09.png"))
    )
    fs.rm_file(lost)
    assert outputs() == ["copied", "reused"]
