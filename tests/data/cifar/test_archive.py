"""Damaged and hostile archives and folders: one line that names the file, nothing unpacked, nothing without end."""
import gzip
import io
import os
import tarfile
import time

import numpy as np
import pytest

from cifar_fast.data import sources
from cifar_fast.data.cifar import archive
from tests.support.files_of_cifar import content, packed, write_folder
from tests.support.refusal import refused


def test_a_folder_of_more_bytes_than_allowed(tmp_path, monkeypatch):
    files, *_ = content("cifar10", "python")
    write_folder(tmp_path, files)
    monkeypatch.setattr(archive, "ALL_BYTES", 40_000)
    refused(tmp_path, "data_batch_4")
    monkeypatch.setattr(archive, "FILE_BYTES", 10_000)
    refused(tmp_path, "data_batch_1")


def tar_with(*members):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data) if data else None)
    return stream.getvalue()


def member(name, size=0, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, link
    return info


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_an_archive_are_refused(kind, tmp_path):
    path = tmp_path / "cifar.tar.gz"
    path.write_bytes(tar_with((member("c/data_batch_1", kind=kind, link="/etc/passwd"), None)))
    refused(path, "cifar.tar.gz")


def test_nothing_is_unpacked(tmp_path):
    files, pixels, _ = content("cifar10", "python")
    members = [(member(f"../../{name}", len(data)), data) for name, data in files.items()]
    members.append((member("/elsewhere/../evil", 4), b"evil"))
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "cifar.tar.gz").write_bytes(tar_with(*members))
    sources.load("cifar10", str(folder / "cifar.tar.gz"))
    assert [p.name for p in tmp_path.rglob("*")] == ["data", "cifar.tar.gz"]


@pytest.mark.parametrize("name", ["data_batch_1", "something_else"])
def test_an_archive_that_unfolds_without_end_is_cut_off(name, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "ALL_BYTES", 10 << 20)
    monkeypatch.setattr(archive, "FILE_BYTES", 8 << 20)
    path = tmp_path / "bomb.tar.gz"
    header = member(f"c/{name}", 1 << 30).tobuf()
    path.write_bytes(gzip.compress(header + bytes(64 << 20)))
    refused(path, "bomb.tar.gz")


def test_archives_that_would_take_long_are_refused_early(tmp_path):
    path = tmp_path / "cifar.tar.gz"
    began = time.process_time()
    path.write_bytes(gzip.compress(b"") * 200_000)
    refused(path, "parts")
    path.write_bytes(gzip.compress(member("c/x").tobuf() * 100_000))
    refused(path, "members")
    assert time.process_time() - began < 5


def test_what_follows_an_archive_is_not_read_for_its_checksum(tmp_path):
    path = tmp_path / "cifar.tar.gz"
    path.write_bytes(packed(content("cifar10", "python")[0]))
    with path.open("r+b") as file:
        file.truncate(1 << 36)  # 64 GiB, none of them on the disk
    began = time.process_time()
    sources.load("cifar10", path)
    assert time.process_time() - began < 5


def test_headers_of_odd_sizes(tmp_path):
    def header(*arguments):
        return member(*arguments).tobuf(tarfile.GNU_FORMAT)

    path, negative = tmp_path / "cifar.tar.gz", bytearray(header("c/x"))
    negative[124:136] = b"\xff" * 12
    negative[148:156] = b" " * 8
    negative[148:156] = b"%06o\0 " % sum(negative)
    for block, named in ((negative, "negative"), (header("c/test_batch", 1 << 40), "test_batch"),
                         (header("c/x", 1 << 40), "archive without"),
                         (header("c/x", 1 << 40, tarfile.GNUTYPE_LONGNAME), "archive without")):
        path.write_bytes(gzip.compress(block))
        refused(path, named)


def test_notes_about_members_are_passed_over(tmp_path):
    """As macOS, GNU and POSIX tar write them."""
    files, pixels, _ = content("cifar10", "python")
    members = []
    for name, data in files.items():
        members += [(member(f"PaxHeader/{name}", 30, tarfile.XHDTYPE), b"30 mtime=1234567890.123456789\n"),
                    (member(f"./._{name}", 4), b"junk"), (member(f"c/{name}", len(data)), data)]
    path = tmp_path / "cifar.tar.gz"
    path.write_bytes(tar_with(*members) + bytes(500))
    np.testing.assert_array_equal(sources.load("cifar10", path).test_images, pixels[-1])


def test_a_gzip_of_several_parts(tmp_path):
    files, pixels, _ = content("cifar10", "python")
    whole, path = packed(files, mode="w"), tmp_path / "cifar.tar.gz"
    path.write_bytes(b"".join(gzip.compress(whole[i:i + 1000]) for i in range(0, len(whole), 1000)))
    np.testing.assert_array_equal(sources.load("cifar10", path).test_images, pixels[-1])
    path.write_bytes(bytes(path.read_bytes()[:-6]) + b"\0" * 6)
    refused(path, "cifar.tar.gz")  # of the last part the checksum is wrong


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.touch(0o644)])
@pytest.mark.parametrize("name", ["cifar.tar.gz", "cifar.npz"])
def test_what_is_no_file_is_not_opened(name, make, tmp_path):
    make(tmp_path / name)
    refused(tmp_path / name, name)


@pytest.mark.parametrize("cut", [10, 200, 2000, -200])
def test_truncated_archives(cut, tmp_path):
    path = tmp_path / "cifar.tar.gz"
    path.write_bytes(packed(content("cifar10", "python")[0])[:cut])
    refused(path, "cifar.tar.gz")
