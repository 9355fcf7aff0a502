import errno
import json
import os

import pytest

from cifar_fast.errors import UserError
from cifar_fast.system import files


def test_replaces_whole_content_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a"
    files.write_atomic(path, b"old" * 1000)
    files.write_atomic(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


def test_write_json(tmp_path):
    files.write_json(tmp_path / "a.json", {"x": [1, 0.1]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": [1, 0.1]}


@pytest.mark.parametrize("call", ["open", "fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_refused_call_leaves_the_old_file_and_says_why(tmp_path, monkeypatch, call, code):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def refuse(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("builtins.open" if call == "open" else f"os.{call}", refuse)
    with pytest.raises(UserError) as error:
        files.write_atomic(path, b"new")
    monkeypatch.undo()
    assert str(path) in str(error.value) and os.strerror(code) in str(error.value)
    assert "\n" not in str(error.value)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["a"]


def test_an_interrupt_leaves_no_temporary_file(tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write_atomic(tmp_path / "a", b"new")
    assert os.listdir(tmp_path) == []


def test_a_full_disk(tmp_path):
    with pytest.raises(UserError, match="can't write /dev/full: No space left"):
        files.append("/dev/full", b"line\n")


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="No such file or directory"):
        files.write_atomic(tmp_path / "missing" / "a", b"")


def test_append(tmp_path):
    files.append(tmp_path / "a", b"1\n")
    files.append(tmp_path / "a", b"2\n")
    assert (tmp_path / "a").read_bytes() == b"1\n2\n"


def test_what_is_written_is_synced_before_it_is_renamed_and_the_folder_after(tmp_path, monkeypatch):
    seen, sync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (
        seen.append("folder" if os.path.isdir(f"/proc/self/fd/{file}") else "file"), sync(file)))
    monkeypatch.setattr(os, "replace", lambda *paths: (seen.append("rename"), replace(*paths)))
    files.write_atomic(tmp_path / "a", b"x")
    files.append(tmp_path / "a", b"y")
    assert seen == ["file", "rename", "folder", "file", "folder"]


def test_remove_leftovers_takes_only_temporary_files(tmp_path):
    (tmp_path / f"{files.TEMPORARY}1234-a").touch()
    (tmp_path / f"{files.TEMPORARY}1234").mkdir()
    (tmp_path / f"{files.TEMPORARY}1234" / "b").touch()
    (tmp_path / "a").touch()
    files.remove_leftovers(tmp_path)
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF])
def test_folders_that_cannot_be_synced_stop_nothing(code, tmp_path, monkeypatch):
    real = os.fsync

    def fsync(handle):
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(code, os.strerror(code))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    files.write_atomic(tmp_path / "a", b"1\n")
    files.append(tmp_path / "a", b"2\n")
    assert (tmp_path / "a").read_bytes() == b"1\n2\n"
