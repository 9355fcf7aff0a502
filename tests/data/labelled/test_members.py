"""Folders, .zip and .tar archives: what is listed and read, and what leads out of them."""
import io
import os
import tarfile
import zipfile

import pytest

from cifar_fast.data import packing
from cifar_fast.data.labelled import members
from cifar_fast.errors import UserError

LONG = "d" * 120 + "/" + "e" * 110
FILES = {"a/1.txt": b"one", "a/2.txt": b"", "b/c/3.txt": b"three" * 300, "é.txt": b"4", LONG: b"5"}
HIDDEN = {".git/x": b"", "a/._1.txt": b"", "__MACOSX/1.txt": b"", "Thumbs.db": b""}


def folder(path):
    for name, data in (FILES | HIDDEN).items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def zipped(path, files, kind=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", kind) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return path


def tarred(path, files, mode="w", form=tarfile.PAX_FORMAT):
    with tarfile.open(path, mode, format=form) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def make(kind, tmp_path):
    everything = {f"./{name}" if name == "a/1.txt" else name: data for name, data in (FILES | HIDDEN).items()}
    return {"folder": lambda: folder(tmp_path / "it"), "zip": lambda: zipped(tmp_path / "it.zip", everything),
            "stored": lambda: zipped(tmp_path / "it.zip", everything, zipfile.ZIP_STORED),
            "tar": lambda: tarred(tmp_path / "it.tar", everything),
            "gnu": lambda: tarred(tmp_path / "it.tgz", everything, "w:gz", tarfile.GNU_FORMAT),
            "bz2": lambda: tarred(tmp_path / "it.tar.bz2", everything, "w:bz2"),
            "xz": lambda: tarred(tmp_path / "it.tar.xz", everything, "w:xz")}[kind]()


@pytest.mark.parametrize("kind", ["folder", "large", "zip", "stored", "tar", "gnu", "bz2", "xz"])
def test_all_files_are_listed_and_read(kind, tmp_path, monkeypatch):
    if kind == "large":
        kind = "folder"
        monkeypatch.setattr(members, "FILE_BYTES", 1)
    found = members.members(make(kind, tmp_path))
    assert {name: size for name, (size, _) in found.files.items()} == {name: len(data) for name, data in FILES.items()}
    wanted = [name for name in FILES if name != "a/2.txt"]
    read = {}
    for name, opened in found.read(wanted):
        with opened() as file:
            read[name] = file.read()
    assert read == {name: FILES[name] for name in wanted}
    assert found.bytes("é.txt") == b"4"


@pytest.mark.parametrize("name", ["../x.txt", "/etc/x.txt", "a/../../x.txt", "a//x.txt"])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_names_that_lead_out_of_an_archive_are_refused(name, pack, tmp_path):
    with pytest.raises(UserError, match="leads out of it"):
        members.members(pack(tmp_path / "it", {"a.txt": b"", name: b"x"}))


def test_a_name_that_is_there_twice_is_refused(tmp_path):
    with tarfile.open(tmp_path / "it.tar", "w") as tar:
        for _ in range(2):
            tar.addfile(tarfile.TarInfo("a.txt"))
    with pytest.raises(UserError, match="twice"):
        members.members(tmp_path / "it.tar")


def test_links_and_devices_of_an_archive_are_no_files(tmp_path):
    with tarfile.open(tmp_path / "it.tar", "w") as tar:
        for name, kind in (("x", tarfile.SYMTYPE), ("y", tarfile.LNKTYPE), ("z", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    assert members.members(tmp_path / "it.tar").files == {}


def test_links_of_a_folder(tmp_path):
    root = folder(tmp_path / "it")
    (root / "inner").symlink_to(root / "a" / "1.txt")
    assert members.members(root).bytes("inner") == b"one"
    for target in ("/etc/passwd", tmp_path / "it" / "a", "../../.."):
        (root / "outer").symlink_to(target)
        with pytest.raises(UserError, match="outer is a link out of it"):
            members.members(root)
        (root / "outer").unlink()
    os.mkfifo(root / "pipe")
    assert "pipe" not in members.members(root).files


def test_links_of_a_hugging_face_cache_lead_to_its_blobs(tmp_path):
    data = tmp_path / "datasets--x"
    (data / "blobs").mkdir(parents=True)
    (data / "blobs" / "123").write_bytes(b"table")
    (data / "snapshots" / "abc").mkdir(parents=True)
    (data / "snapshots" / "abc" / "train.parquet").symlink_to("../../blobs/123")
    assert members.members(data / "snapshots" / "abc").bytes("train.parquet") == b"table"


@pytest.mark.parametrize("kind", ["zip", "tar", "gnu", "bz2", "xz"])
def test_damaged_archives_are_refused_or_their_files_are(kind, tmp_path):
    path = make(kind, tmp_path)
    whole = path.read_bytes()
    for end in (len(whole) // 4, 300):
        path.write_bytes(whole[:end])
        with pytest.raises(UserError) as caught:
            found = members.members(path)
            for _, opened in found.read(found.files):
                opened().close()
            raise AssertionError("nobody noticed")
        assert str(path) in str(caught.value)


def test_an_archive_unfolds_to_no_more_than_its_limit(tmp_path, monkeypatch):
    path = tarred(tmp_path / "it.tgz", {"zeros": bytes(3 << 20)}, "w:gz")
    monkeypatch.setattr(packing, "ALL_BYTES", 1 << 20)
    with pytest.raises(UserError, match="unfolds to more than 1 MiB"):
        members.members(path)


def test_large_members_and_locked_ones_are_refused_when_they_are_read(tmp_path, monkeypatch):
    found = members.members(zipped(tmp_path / "it.zip", {"a": bytes(500)}))
    monkeypatch.setattr(members, "FILE_BYTES", 100)
    with pytest.raises(UserError, match="has 500 bytes; at most 100"):
        found.bytes("a")
    with pytest.raises(UserError, match="another way than by deflate"):
        members.members(zipped(tmp_path / "it.zip", {"a": bytes(50)}, zipfile.ZIP_LZMA)).bytes("a")


@pytest.mark.parametrize("path", ["/dev/null", "/no/such/file"])
def test_what_is_no_archive_is_refused(path):
    with pytest.raises(UserError, match=path):
        members.members(__import__("pathlib").Path(path))


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(members, "MEMBERS", 3)
    with pytest.raises(UserError, match="more than 3 files"):
        members.members(folder(tmp_path / "it"))
