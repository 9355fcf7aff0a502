"""Feeds damaged and hostile files to the readers and watches what happens: `python -m tests.fuzzing --inputs=20000`.

Each input must become a data set or one line of a UserError. A child process for each kind does the reading, in 2 GiB
more of memory than it starts with and within 5 s an input, with an audit hook: to write a file, to open one that was
not asked for, to run or import or unpickle anything is a failure. An input is made from (kind, seed, number) alone,
so one that failed is made again by `--kind=K --start=N --inputs=1`.
"""
import argparse
import encodings.raw_unicode_escape  # noqa: F401
import gzip
import io
import json
import os
import pickle
import resource
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import unicodedata  # noqa: F401  these two Python itself imports at the first odd letter of a text
import warnings
import zipfile
from pathlib import Path

import numpy as np

from cifar_fast.data import sources
from cifar_fast.errors import UserError
from tests.support.files_of_cifar import content, packed

SECONDS, MEMORY = 5, 2 << 30
FORBIDDEN = ("os.", "subprocess.", "socket.", "ctypes.", "exec", "import", "shutil.", "tempfile.", "pickle.", "urllib.",
             "marshal.", "mmap.", "code.")
READ_ONLY = ("os.listdir", "os.scandir")
TOKENS = [b"\xff\xff\xff\x7f", b"\xff" * 8, b"\0" * 8, b"\x80", b"(", b".", b"R", b"b", b"cos\nsystem\n", b"c", b"o",
          b"i", b"\x93", b"\x81", b"\x92", b"Q", b"P0\n", b"\x82\x01", b"../", b"/etc/passwd\0", b"PK\1\2", b"{", b"']"]
PUSHES = [b"K\x01", b"N", b"\x88", b"]", b"}", b")", b"(", b"U\x02u1", b"U\x04data", b"U\x06labels", b"X\1\0\0\0a",
          b"X\3\0\0\0\xed\xa0\x80", b"J\xff\xff\xff\xff", b"\x8a\x09" + b"\xff" * 8 + b"\x7f", b"C\2ab", b"U\0",
          b"cnumpy\ndtype\n", b"cnumpy\nndarray\n", b"cnumpy.core.multiarray\n_reconstruct\n", b"cos\nsystem\n",
          b"T\x00\x0c\0\0" + b"x" * 3072, b"cbuiltins\neval\n", b"U\x0blabel_names", b"G\x7f\xf8" + b"\0" * 6]
ACTIONS = [b"a", b"e", b"s", b"u", b"t", b"\x85", b"\x86", b"\x87", b"R", b"b", b"q\0", b"q\1", b"h\0", b"h\1", b"0",
           b"1", b"2", b"l", b"d", b"o", b"\x81", b"\x92", b"\x93", b"\x94", b"Q", b"\x82\1", b"\x83\1\0",
           b"r\xff\xff\xff\x7f"]
DTYPE = b"cnumpy\ndtype\nU\2u1K\0K\1\x87R(K\3U\1|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
IMAGE = (b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\1b\x87R(K\1K\1M\0\x0c\x86" + DTYPE +
         b"\x89T\0\x0c\0\0" + bytes(3072) + b"tb")
DESCRIPTIONS = ["'|u1'", "'<i8'", "'|O'", "'<f8'", "'>i4'", "'<U9'", "'V100000'", "[('a', '<i4')]", "'<M8[s]'",
                "('|u1', (10**9,))", "()", "'" + "(" * 90 + "'", "(" * 200, "__import__('os')"]
COMPRESSIONS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


def mutated(data, rng, where=1.0):
    """A copy with up to eight changes, within its first part of relative length `where`."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 9)):
        if not data:
            break
        place = int(rng.integers(0, max(1, int(len(data) * where))))
        kind = rng.integers(7)
        if kind == 0:
            data[place] = rng.integers(256)
        elif kind == 1:
            data[place] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            del data[place:place + int(rng.integers(1, 60))]
        elif kind == 3:
            data[place:place] = rng.bytes(int(rng.integers(1, 20)))
        elif kind == 4:
            data[place:place + int(rng.integers(0, 9))] = TOKENS[rng.integers(len(TOKENS))]
        elif kind == 5:
            data[place:place] = data[int(rng.integers(len(data))):][:int(rng.integers(1, 600))]
        elif rng.random() < 0.3:
            del data[place:]
    return bytes(data)


def of_pickle(rng):
    files = content("cifar10", "python", images=1)[0]
    name = str(rng.choice(["data_batch_1", "test_batch"]))
    batch = pickle.loads(files[name])  # our own, just written
    return {name: mutated(pickle.dumps(batch, protocol=int(rng.integers(2, 5))), rng, rng.choice([0.06, 1]))}


def of_opcodes(rng):
    """A random program of the pickle machine: pushes mostly, so that the actions find something."""
    parts = [(PUSHES if rng.random() < 0.6 else ACTIONS) for _ in range(rng.integers(1, 40))]
    program = b"".join(part[rng.integers(len(part))] for part in parts)
    if rng.random() < 0.5:  # as the value of an entry of a batch that is else whole
        key = bytes(rng.choice([b"labels", b"data", b"other"]))
        return {"data_batch_1": b"\x80\2}(U\6labels]K\1aU\4data" + IMAGE + b"U" + bytes([len(key)]) + key +
                (program if rng.random() < 0.5 else PUSHES[rng.integers(len(PUSHES))]) + b"u."}
    return {str(rng.choice(["data_batch_1", "batches.meta"])): b"\x80\2" + program + b"." * int(rng.random() < 0.9)}


def of_binary(rng):
    files = content("cifar10", "binary", images=1)[0]
    data = files["test_batch.bin"] * int(rng.integers(1, 4))
    return {"test_batch.bin": mutated(data, rng, rng.choice([0.001, 1]))}


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


def _npz(arrays, compression=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, data in arrays.items():  # a ZipInfo is dated 1980, so that the same input is made tomorrow
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), data, compression)
    return stream.getvalue()


def _npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _arrays():
    images, labels = np.zeros((2, 4, 4, 3), np.uint8), np.zeros(2, np.int64)
    return {"x_train": _npy(images), "y_train": _npy(labels), "x_test": _npy(images), "y_test": _npy(labels)}


def of_npz(rng):
    return {"it.npz": mutated(_npz(_arrays()), rng)}


def of_npy(rng):
    """A whole .zip of damaged arrays: their headers changed, or made up with odd shapes and dtypes."""
    arrays = _arrays()
    name = str(rng.choice(list(arrays)))
    if rng.random() < 0.5:
        arrays[name] = mutated(arrays[name], rng, 0.5)
    else:
        shape = tuple(int(rng.choice([0, 1, 2, 3, 4, -1, 10**9, 2**62, 2**80])) for _ in range(rng.integers(0, 9)))
        header = (f"{{'descr': {rng.choice(DESCRIPTIONS)}, 'fortran_order': {rng.choice(['True', 'False', '3'])}, "
                  f"'shape': {shape}}}\n").encode()
        arrays[name] = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(rng.integers(200))
    return {"it.npz": _npz(arrays, int(rng.choice(COMPRESSIONS)))}


KINDS = {"pickle": of_pickle, "opcodes": of_opcodes, "binary": of_binary, "tar": of_tar, "gz": of_gz, "npz": of_npz,
         "npy": of_npy}


def make(kind, seed, number):
    """{file name: bytes}: what to write over a good data set; of one file in an archive's form, that file is it."""
    return KINDS[kind](np.random.default_rng([seed, list(KINDS).index(kind), number]))


class Watch:
    """An audit hook that notes what a reader may not do, while `on`."""

    def __init__(self, folder):
        self.on, self.seen, self.folder = False, [], str(folder)
        sys.addaudithook(self.hook)

    def hook(self, event, arguments):
        if not self.on:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
            # Python 3.13 looks for the source of what it can't parse, and NumPy parses a header as Python.
            bad = writes or not (str(path).startswith(self.folder) or path == "<string>")
        else:
            bad = event.startswith(FORBIDDEN) and event not in READ_ONLY
        if bad:
            self.seen.append(f"{event}{arguments!r}"[:200])


def child(kind, seed, start, inputs):
    """Reads inputs start … start + inputs - 1 of a kind; a dict of the table's entries and the failures."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place).resolve() / "data"
        folder.mkdir()
        os.chdir(place)
        for name, data in content("cifar10", "binary" if kind == "binary" else "python", images=1)[0].items():
            (folder / name).write_bytes(data)
        good = {path.name: path.read_bytes() for path in folder.iterdir()}
        watch = Watch(folder)
        counts, failures, worst = {"refused": 0, "accepted": 0}, [], 0.0
        for number in range(3):  # what is imported by the first use of a module is no doing of the files'
            outcome(folder, make(kind, seed + 1, number))
        before = _peak()
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
        for number in range(start, start + inputs):
            files = make(kind, seed, number)
            print(f"\r{kind} {number}", end="", file=sys.stderr, flush=True)
            watch.seen.clear()
            began = time.perf_counter()
            result = outcome(folder, files, watch)
            worst = max(worst, time.perf_counter() - began)
            if result in counts:
                counts[result] += 1
            else:
                failures.append(f"{kind} {number}: {result}")
            failures += [f"{kind} {number}: {seen}" for seen in watch.seen]
            for name in files:
                (folder / name).write_bytes(good[name]) if name in good else (folder / name).unlink()
        expected = {folder, *(folder / name for name in good)}
        left = set(folder.parent.rglob("*")) - expected
        failures += [f"{kind}: left {name}" for name in left]
        peak = (_peak() - before) / 1024
        os.chdir("/")
    return dict(kind=kind, inputs=inputs, **counts, worst_seconds=worst, peak_mib=peak, failures=failures)


def _peak():
    """This process's own largest memory in KiB; getrusage's starts from that of the one that started it."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])


def outcome(folder, files, watch=None):
    """"accepted", "refused", or what went wrong."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    name = next(iter(files))
    path = folder / name if name.startswith("it.") else folder
    signal.alarm(SECONDS)  # its default is to end the process, which C code can't put off
    try:
        if watch:
            watch.on = True
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a warning would be a second line
            sources.load("cifar10", path)
        return "accepted"
    except UserError as error:
        line = str(error)
        return "refused" if line.isprintable() and len(line) < 600 else f"not one printable line: {line!r}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:300]
    finally:
        if watch:
            watch.on = False
        signal.alarm(0)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=2000, help="in all, shared by the kinds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, help="only this one, and in this process")
    parser.add_argument("--start", type=int, default=0, help="the first input's number")
    options = parser.parse_args(arguments)
    if options.kind:
        print(json.dumps(child(options.kind, options.seed, options.start, options.inputs)))
        return 0
    row = "{:8} {:>7} {:>8} {:>9} {:>14} {:>10}".format
    print(row("kind", "inputs", "refused", "accepted", "worst seconds", "peak MiB"))
    failures, total = [], 0
    share = -(-options.inputs // len(KINDS))
    for kind in KINDS:
        command = [sys.executable, "-m", "tests.fuzzing", f"--kind={kind}", f"--seed={options.seed}",
                   f"--start={options.start}", f"--inputs={share}"]
        root = Path(__file__).resolve().parent.parent
        result = subprocess.run(command, capture_output=True, text=True, cwd=root)
        if result.returncode:
            failures.append(f"{kind}: the process ended with {result.returncode} at {result.stderr[-400:]!r}")
            continue
        entry = json.loads(result.stdout)
        total += entry["inputs"]
        failures += entry["failures"]
        print(row(kind, entry["inputs"], entry["refused"], entry["accepted"], f"{entry['worst_seconds']:.3f}",
                  f"{entry['peak_mib']:.0f}"), flush=True)
    print(f"{total} inputs, {len(failures)} failures", *failures[:20], sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
