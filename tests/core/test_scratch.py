"""The folders of a user on a shared machine: private, also if another user was there first, and only one."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from pathlib import Path

import pytest

from hfdask import errors
from hfdask.core import scratch
from hfdask.core.scratch import atomic_file, is_private, private_folder, shared_folder
from hfdask.store import Cache

ROOT = os.getuid() == 0
NAME = f"hfdask-{os.getuid()}"


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder like /tmp, to which any user can write."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    folder.chmod(0o1777)
    monkeypatch.setattr(scratch.tempfile, "tempdir", str(folder))
    monkeypatch.delenv("HFDASK_CACHE", raising=False)
    return folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def squat(path: Path, how: str, elsewhere: Path) -> None:
    if how == "another user's":
        path.mkdir()
        os.chown(path, 65534, 65534)
    elif how == "a link":
        elsewhere.mkdir()
        path.symlink_to(elsewhere)
    elif how == "a dangling link":
        path.symlink_to(elsewhere)
    else:
        path.write_text("")


SQUATS = [
    pytest.param("another user's", marks=pytest.mark.skipif(not ROOT, reason="only root gives files away")),
    "a link",
    "a dangling link",
    "a file",
]


@pytest.mark.parametrize("how", SQUATS)
def test_a_taken_name_leads_to_one_other_folder(how, top, tmp_path):
    squat(top / NAME, how, tmp_path / "elsewhere")
    folders = {shared_folder() for _ in range(3)} | {Cache().folder.parent for _ in range(3)}
    assert len(folders) == 1  # and the next process finds it again
    [folder] = folders
    assert folder != top / NAME
    assert folder.parent == top
    assert mode(folder) == 0o700
    assert len(list(top.iterdir())) == 2
    assert not (tmp_path / "elsewhere").exists() or not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.skipif(not ROOT, reason="only root gives files away")
def test_other_names_may_be_taken_too(top, tmp_path):
    for name in (NAME, f"{NAME}-a", f"{NAME}-b"):
        squat(top / name, "another user's", tmp_path / "elsewhere")
    assert shared_folder() == shared_folder()
    assert is_private(shared_folder())
    assert len(list(top.iterdir())) == 4


@pytest.mark.parametrize("umask", [0o000, 0o007, 0o022, 0o077])
def test_folders_are_private_whatever_the_umask(umask, top):
    before = os.umask(umask)
    try:
        base, cache = shared_folder(), Cache().folder
    finally:
        os.umask(before)
    assert (mode(base), mode(cache)) == (0o700, 0o700)


def test_an_open_folder_of_ours_is_closed(top):
    (top / NAME).mkdir()
    (top / NAME).chmod(0o777)
    assert shared_folder() == top / NAME
    assert mode(top / NAME) == 0o700


def test_a_cache_in_a_folder_that_others_can_write_to_is_in_one_of_its_own(tmp_path, monkeypatch):
    shared = tmp_path / "volume"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setenv("HFDASK_CACHE", str(shared))
    assert Cache().folder == shared / NAME
    assert mode(shared / NAME) == 0o700
    shared.chmod(0o755)
    assert Cache().folder == shared


@pytest.mark.parametrize("how", SQUATS)
def test_a_cache_that_somebody_else_has_taken_is_refused(how, tmp_path, monkeypatch):
    shared = tmp_path / "volume"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setenv("HFDASK_CACHE", str(shared))
    squat(shared / NAME, how, tmp_path / "elsewhere")
    with pytest.raises(errors.InvalidConfigError, match="HFDASK_CACHE"):
        Cache()


@pytest.mark.skipif(not ROOT, reason="only root gives files away")
def test_root_uses_a_volume_of_another_user(tmp_path, monkeypatch):
    shared = tmp_path / "volume"
    shared.mkdir()
    os.chown(shared, 1000, 1000)
    monkeypatch.setenv("HFDASK_CACHE", str(shared))
    assert Cache().folder == shared / NAME


@pytest.mark.parametrize("name", ["file/x", "/proc/self/nothing/x"])
def test_a_cache_that_cannot_be_made_is_a_typed_error(name, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HFDASK_CACHE", str(tmp_path / name))
    with pytest.raises(errors.InvalidConfigError, match="HFDASK_CACHE"):
        Cache()


def test_private_folder_says_what_is_wrong(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(PermissionError, match="link"):
        private_folder(tmp_path / "link")


def test_a_file_is_made_while_others_remove_its_empty_folder(tmp_path):
    folder, ended = tmp_path / "shared", threading.Event()

    def remove():
        while not ended.wait(0.001):
            with contextlib.suppress(OSError):
                folder.rmdir()

    thread = threading.Thread(target=remove)
    thread.start()
    try:
        for _ in range(2000):
            with atomic_file(folder, "name") as path:
                assert path.parent == folder
    finally:
        ended.set()
        thread.join()
