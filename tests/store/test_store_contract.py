"""The store contract, over local files, memory, S3 and GCS."""

from __future__ import annotations

import uuid

import pytest
from store_contract import Place, StoreContract

from hfdask import errors


class TestFiles(StoreContract):
    @pytest.fixture
    def place(self, tmp_path) -> Place:
        return Place(str(tmp_path / "store"))


class TestMemory(StoreContract):
    @pytest.fixture
    def place(self) -> Place:
        return Place(f"memory://{uuid.uuid4().hex}/store", exclusive=False)


class TestS3(StoreContract):
    @pytest.fixture
    def place(self, s3) -> Place:
        return Place(s3.url(f"{uuid.uuid4().hex}/store"), s3.options)

    def test_a_large_file_is_all_or_nothing(self, place, s3, tmp_path, monkeypatch):
        """An upload in parts of which one is refused leaves neither an object nor parts."""
        from s3fs import core

        monkeypatch.setattr(core, "calculate_chunksize", lambda *_, **__: 5 * 2**20)
        source = tmp_path / "large"
        source.write_bytes(bytes(12 * 2**20))
        s3.fault = lambda method, path: 403 if "partNumber=2" in path else None
        store = place.store()
        with pytest.raises(errors.StoreRefusedError):
            store.put("video.mp4", source)
        s3.fault = lambda method, path: None
        assert not store.exists("video.mp4")
        assert store.fs.list_multipart_uploads(store.path.partition("/")[0]) == []
        store.put("video.mp4", source)
        assert store.size("video.mp4") == 12 * 2**20

    @pytest.mark.sample("503", "409")
    @pytest.mark.parametrize("status", [409, 429, 500, 503])
    def test_a_status_that_heals(self, status, place, s3):
        left = [status] * 2
        s3.fault = lambda method, path: left.pop() if left and method == "PUT" else None
        once = {**s3.options, "config_kwargs": {"retries": {"max_attempts": 0}}}  # botocore waits longer
        Place(place.url, once).store().put("a", b"x")
        assert not left
        assert place.store().read("a") == b"x"

    def test_a_bucket_that_is_not_there(self, s3):
        store = Place("s3://hfdask-no-such-bucket/a", s3.options).store()
        with pytest.raises(errors.OutputNotWritableError):
            store.require_writable()

    def test_no_permission_is_final(self, place, s3):
        s3.fault = lambda method, path: 403
        store = place.store()
        for action in (lambda: store.read("a"), lambda: store.put("a", b"x")):
            s3.requests.clear()
            with pytest.raises(errors.StoreRefusedError) as caught:
                action()
            assert not caught.value.retryable
            assert len(s3.requests) < 3


class TestGcs(StoreContract):
    @pytest.fixture
    def place(self, gcs) -> Place:
        return Place(gcs.url(f"{uuid.uuid4().hex}/store"), gcs.options)

    def test_a_status_that_heals(self, place, gcs):
        left = [503]
        gcs.fault = lambda method, path: left.pop() if left and method == "POST" else None
        place.store().put("a", b"x")
        assert not left
        assert place.store().read("a") == b"x"

    def test_no_permission_is_final(self, place, gcs):
        gcs.fault = lambda method, path: 403
        with pytest.raises(errors.StoreRefusedError):
            place.store().read("a")
