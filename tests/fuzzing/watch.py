"""Reads inputs under watch: what a reader may not do is noted, and how it ends."""
import encodings.cp437  # noqa: F401
import encodings.raw_unicode_escape  # noqa: F401
import encodings.utf_8_sig  # noqa: F401
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import unicodedata  # noqa: F401  this and the encodings Python itself imports at the first odd letter of a text
import warnings
from pathlib import Path

import numpy as np

from cifar_fast.data import sources, unlabelled
from cifar_fast.data.labelled.images import Reading
from cifar_fast.errors import UserError
from tests.fuzzing import pictures
from tests.fuzzing.kinds import make
from tests.support.files_of_cifar import content

np.char  # noqa: B018  NumPy imports it when it is first used

SECONDS, MEMORY = 5, 2 << 30
FORBIDDEN = ("os.", "subprocess.", "socket.", "ctypes.", "exec", "import", "shutil.", "tempfile.", "pickle.", "urllib.",
             "marshal.", "mmap.", "code.")
CACHES = ("os.mkdir", "os.rename", "os.remove", "mmap.")  # allowed in the folder of the cache
OF_SYSTEM = ("/sys/fs/cgroup/", "/proc/self/")  # how many cores there are to decode on
READ_ONLY = ("os.listdir", "os.scandir")


class Watch:
    """An audit hook that notes what a reader may not do, while `on`."""

    def __init__(self, folder):
        self.on, self.seen, self.folder, self.cache = False, [], str(folder), f"{folder}-cache"
        sys.addaudithook(self.hook)

    def hook(self, event, arguments):
        if not self.on:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
            # Python 3.13 looks for the source of what it can't parse, and NumPy parses a header as Python.
            bad = writes and not str(path).startswith(self.cache) or not (
                str(path).startswith((self.folder, *OF_SYSTEM)) or path == "<string>")
        elif event.startswith(CACHES):
            bad = not all(str(path).startswith(self.cache) for path in arguments if isinstance(path, str | Path))
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
        for files in pictures.whole() if kind in pictures.KINDS else ():
            outcome(folder, files)
            for name in files:
                (folder / name).unlink()
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
            for tree in ("tree", "pictures", "new"):
                shutil.rmtree(folder / tree, ignore_errors=True)
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
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    name = next(iter(files))
    if name.startswith("pictures"):
        return _outcome("images", folder / name.partition("/")[0], folder, watch)
    path = folder / name if name.startswith(("it.", "new")) else folder
    return _outcome("cifar10", folder / "tree" if name.startswith("tree/") else path, folder, watch)


def _outcome(dataset, path, folder, watch):
    cache = f"{folder}-cache"
    signal.alarm(SECONDS)  # its default is to end the process, which C code can't put off
    try:
        if watch:
            watch.on = True
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a warning would be a second line
            if path.relative_to(folder).as_posix().startswith("new"):
                for _ in unlabelled.find(path, unlabelled.Form((8, 8, 3))).batches(2):
                    pass
            else:
                sources.load(dataset, path, reading=Reading(cache=cache), validation_share=0.5 * (dataset == "images"))
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
        shutil.rmtree(cache, ignore_errors=True)
