"""Damaged and hostile files of the published forms: one line that names the file, never anything else."""
import gzip
import io
import os
import pickle
import tarfile
import time

import numpy as np
import pytest
from files_of_cifar import FORMS, archive, content, write_folder
from refusal import refused

from cifar_fast import readers, sources


def change(batch, **entries):
    return pickle.dumps(pickle.loads(batch) | {k.encode(): v for k, v in entries.items()}, protocol=3)


@pytest.mark.parametrize("name, entries", [
    ("data_batch_3", {"labels": [10, 0, 0, 0]}), ("data_batch_1", {"labels": [-1, 0, 0, 0]}),
    ("test_batch", {"labels": [0, 0]}), ("data_batch_2", {"labels": "abcd"}), ("data_batch_2", {"labels": [0.5] * 4}),
    ("data_batch_5", {"data": np.zeros((4, 3071), np.uint8)}), ("data_batch_5", {"data": np.zeros((4, 3072))}),
    ("data_batch_4", {"data": b"bytes"}), ("data_batch_4", {"data": np.zeros((0, 3072), np.uint8), "labels": []})])
def test_python_batches_are_checked(name, entries, tmp_path):
    files, *_ = content("cifar10", "python")
    files[name] = change(files[name], **entries)
    refused(write_folder(tmp_path, files), name)


def test_labels_and_keys_of_odd_kinds(tmp_path):
    """Each of these once ended in a traceback."""
    files, *_ = content("cifar10", "python")
    for labels in (np.array(1), np.zeros((4, 1), int), 3, None, {}):
        refused(write_folder(tmp_path, files | {"data_batch_1": change(files["data_batch_1"], labels=labels)}),
                "data_batch_1")
    many = np.zeros(50_000_000, np.uint16)  # as a list 400 MB
    began = time.process_time()
    refused(write_folder(tmp_path, files | {"data_batch_1": change(files["data_batch_1"], labels=many)}),
            "4 images and 50000000 labels")
    assert time.process_time() - began < 1
    for batch in ({"\ud800": 1}, {("a", 1): 2}, [], 7, None):
        refused(write_folder(tmp_path, files | {"data_batch_1": pickle.dumps(batch, protocol=3)}), "data_batch_1")
    write_folder(tmp_path, files)
    for names in (5, [1] * 10, ["a"] * 9, "abcdefghij", None):
        write_folder(tmp_path, {"batches.meta": pickle.dumps({"label_names": names}, protocol=3)})
        refused(tmp_path, "batches.meta")


def test_class_names_are_made_fit_for_a_line(tmp_path):
    files, *_ = content("cifar10", "python")
    names = [b"\x1b[31m\n", "\ud800", *"abcdefgh"]
    write_folder(tmp_path, files | {"batches.meta": pickle.dumps({b"label_names": names}, protocol=3)})
    assert all(name.isprintable() for name in sources.load("cifar10", tmp_path).class_names)


def test_a_folder_of_more_bytes_than_allowed(tmp_path, monkeypatch):
    files, *_ = content("cifar10", "python")
    write_folder(tmp_path, files)
    monkeypatch.setattr(readers, "ALL_BYTES", 40_000)
    refused(tmp_path, "data_batch_4")
    monkeypatch.setattr(readers, "FILE_BYTES", 10_000)
    refused(tmp_path, "data_batch_1")


@pytest.mark.parametrize("dataset, form", FORMS)
def test_truncated_missing_and_empty_files(dataset, form, tmp_path):
    files, *_ = content(dataset, form)
    name = list(files)[0]
    for damage in (files[name][:-100], b""):
        refused(write_folder(tmp_path / "damaged", files | {name: damage}), name, dataset)
    other = list(files)[-1]
    refused(write_folder(tmp_path / "missing", {k: v for k, v in files.items() if k != other}), other, dataset)


def test_binary_labels_out_of_range(tmp_path):
    files, *_ = content("cifar10", "binary")
    data = bytearray(files["data_batch_2.bin"])
    data[0] = 200
    refused(write_folder(tmp_path, files | {"data_batch_2.bin": bytes(data)}), "label 200")


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
    monkeypatch.setattr(readers, "ALL_BYTES", 10 << 20)
    monkeypatch.setattr(readers, "FILE_BYTES", 8 << 20)
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
    whole, path = archive(files, mode="w"), tmp_path / "cifar.tar.gz"
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
    path.write_bytes(archive(content("cifar10", "python")[0])[:cut])
    refused(path, "cifar.tar.gz")
