"""Archives of batches, damaged outside or within, and what is none."""
import bz2
import gzip
import io
import lzma
import struct
import tarfile
import warnings
import zipfile
import zlib

from tests.fuzzing.mutation import mutated
from tests.support.files_of_cifar import content, packed, zipped

HEADS = [b"MATLAB 5.0 MAT-file", b"\x89HDF\r\n", b"<!DOCTYPE html>", b"version https://git-lfs", b"PAR1", b"Rar!",
         b"PK\5\6", b"PK\3\4", b"BZh9", b"\xfd7zXZ\0\0\4", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\x93NUMPY\1\0",
         b"\x80\4", b"", b"\0"]
NAMES = ["it.tar.gz", "it.zip", "it.npz", "it.NPZ", "it.tar.bz2", "it.txz", "it.mat", "it.cifar", "it.7z"]
COMPRESSIONS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


def of_tar(rng):
    files = content("cifar10", "python", images=1)[0]
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=int(rng.integers(0, 3))) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(str(rng.choice(["c/", "../../", "/etc/", "", "c/" * 60])) + name)
            info.size = len(data)
            if rng.random() < 0.05:
                info.type = bytes([rng.choice(list(b"0123456789gxLKSXDV\0"))])
                info.linkname = str(rng.choice(["/etc/passwd", "../x", "c/test_batch"]))
            tar.addfile(info, io.BytesIO(data))
    whole = stream.getvalue()
    return {"it.tar": mutated(whole, rng, rng.choice([0.05, 1])) if rng.random() < 0.8 else whole}


def of_gz(rng):
    data = packed(content("cifar10", "python", images=1)[0], mode="w")
    kind = rng.integers(4)
    if kind == 0:
        return {"it.tar.gz": mutated(gzip.compress(data, mtime=0), rng)}
    if kind == 1:  # many parts, some empty
        parts = [data[i:i + 4096] for i in range(0, len(data), 4096)] + [b""] * int(rng.integers(9))
        whole = b"".join(gzip.compress(part, mtime=0) for part in parts)
        return {"it.tar.gz": (mutated(whole, rng) if rng.random() < 0.8 else whole) + b"\0" * int(rng.integers(99))}
    if kind == 2:  # unfolds to much more than it is, within a header that declares still more
        info = tarfile.TarInfo(str(rng.choice(["data_batch_1", "other"])))
        info.size = int(rng.choice([1 << 20, 1 << 28, 1 << 33]))
        data = info.tobuf(tarfile.GNU_FORMAT) + bytes(int(rng.integers(1 << 20)))
        return {"it.tar.gz": gzip.compress(data, mtime=0)}
    return {"it.tar.gz": gzip.compress(mutated(data, rng), mtime=0)[:int(rng.integers(20, 20_000))]}


def of_bz2(rng):
    return {"it.tar.bz2": _packed_by(bz2.compress, rng)}


def of_xz(rng):
    preset = int(rng.choice([0, 6]))
    whole = _packed_by(lambda data: lzma.compress(data, check=lzma.CHECK_CRC32, preset=preset), rng)
    if rng.random() < 0.2:  # a header that asks for a window of up to 4 GiB, its checksum right
        header = bytearray(whole[12:24])
        header[4] = rng.integers(41)
        if len(header) == 12:
            header[8:] = struct.pack("<I", zlib.crc32(header[:8]))
            whole = whole[:12] + bytes(header) + whole[24:]
    return {"it.tar.xz": whole}


def _packed_by(compress, rng):
    data = packed(content("cifar10", "python", images=1)[0], mode="w")
    kind = rng.integers(4)
    if kind == 0:
        return mutated(compress(data), rng)
    if kind == 1:  # several parts
        at = int(rng.integers(len(data)))
        whole = compress(data[:at]) + compress(data[at:]) + bytes(int(rng.integers(9)))
        return mutated(whole, rng) if rng.random() < 0.5 else whole
    if kind == 2:  # unfolds to much more than it is
        info = tarfile.TarInfo(str(rng.choice(["data_batch_1", "other"])))
        info.size = int(rng.choice([1 << 20, 1 << 28, 1 << 33]))
        return compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(int(rng.integers(1 << 20))))
    return compress(mutated(data, rng))[:int(rng.integers(20, 20_000))]


def of_zip(rng):
    files = content("cifar10", "python", images=1)[0]
    kind = rng.integers(4)
    if kind == 0:
        return {"it.zip": mutated(zipped(files), rng)}
    if kind == 1:  # in its table of contents
        whole = zipped(files)
        at = whole.index(b"PK\1\2")
        return {"it.zip": whole[:at] + mutated(whole[at:], rng, 0.9)}
    if kind == 2:  # files more than once, in odd places and packings, or damaged within
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name, data in files.items():
                for _ in range(rng.choice([0, 1, 2], p=[0.02, 0.95, 0.03])):
                    place = zipfile.ZipInfo(str(rng.choice(["c/", "../", "/", "", "c/" * 60, "\\"])) + name)
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")  # of a name that is there twice
                        archive.writestr(place, mutated(data, rng) if rng.random() < 0.1 else data,
                                         int(rng.choice(COMPRESSIONS, p=[0.45, 0.45, 0.05, 0.05])))
        return {"it.zip": stream.getvalue()}
    name = str(rng.choice(list(files)))  # unfolds to much more than it is, and may declare still more
    whole = bytearray(zipped(files | {name: bytes(int(rng.integers(1 << 22)))}))
    at = whole.index(b"PK\1\2") + 24
    if rng.random() < 0.7:
        whole[at:at + 4] = struct.pack("<I", int(rng.choice([0, 1 << 20, 1 << 28, (1 << 32) - 1])))
    return {"it.zip": bytes(whole)}


def of_foreign(rng):
    """The beginning of one form, the name of another."""
    return {str(rng.choice(NAMES)): HEADS[rng.integers(len(HEADS))] + rng.bytes(int(rng.integers(2000)))}
