"""The run directory: one run's configuration, metrics, checkpoints and pictures, held by one process at a time."""
import fcntl
import json
import os
import resource
import socket
from pathlib import Path

from cifar_fast import files
from cifar_fast.errors import UserError


class Workdir:
    """A context manager: creates and locks the folder, frees it at the end.

    The lock is the kernel's, on the file `lock`, so a process that died holds nothing.

    Raises:
      UserError: the folder can't be written, or another process trains in it.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.checkpoints, self.plots = self.checkpoints_of(path), self.path / "plots"

    @staticmethod
    def checkpoints_of(path):
        return Path(path) / "checkpoints"

    @staticmethod
    def read_config(path):
        """The lines of a run's `config.flags`. Raises UserError if there is none."""
        try:
            return _flag_lines((Path(path) / "config.flags").read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"--workdir={path}: no run to read there ({error}); name the folder of a run") from None

    def __enter__(self):
        try:
            for folder in (self.path, self.checkpoints, self.plots):
                folder.mkdir(parents=True, exist_ok=True)
            self.lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise UserError(f"--workdir={self.path}: can't be written ({error.strerror}); "
                            "name a folder that can") from error
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self.lock, 200).decode(errors="replace").strip() or "another process"
            os.close(self.lock)
            raise UserError(f"--workdir={self.path}: {holder} is training there; wait for it, stop it, "
                            "or name another folder") from None
        os.ftruncate(self.lock, 0)
        os.write(self.lock, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        for folder in (self.path, self.checkpoints, self.plots):
            files.remove_leftovers(folder)
        return self

    def __exit__(self, *_):
        os.close(self.lock)  # the file stays: deleting it would let two processes lock two files of one name

    def open_config(self, lines, free):
        """Writes `config.flags`, or checks that the run begun here is the same.

        Args:
          lines: "--name=value" of each flag. free: names that may differ.
        Raises:
          UserError: naming the flags that differ.
        """
        path = self.path / "config.flags"
        if path.exists():
            before, now = (dict(line.lstrip("-").split("=", 1) for line in chosen)
                           for chosen in (self.read_config(self.path), lines))
            different = [f"--{name}: {before.get(name, 'unset')} there, {now.get(name, 'unset')} now"
                         for name in sorted(before.keys() | now.keys())
                         if name not in free and before.get(name) != now.get(name)]
            if different:
                raise UserError(f"--workdir={self.path}: holds a run with other flags ({'; '.join(different)}); "
                                "give the same flags to go on, or name another folder")
        files.write_atomic(path, ("\n".join(["# a run of cifar_fast", *lines]) + "\n").encode())

    def read_metrics(self):
        """The lines of `metrics.jsonl` as dicts; a torn last line is cut off."""
        path, lines = self.path / "metrics.jsonl", []
        if not path.exists():
            return []
        for number, line in enumerate(path.read_bytes().splitlines(keepends=True)):
            try:
                if not line.endswith(b"\n"):
                    raise ValueError("torn")
                lines.append(json.loads(line) | {})
            except (ValueError, TypeError):
                self._write_metrics(lines)
                print(f"{path}: cut off from line {number + 1}, which was torn", flush=True)
                break
        return lines

    def truncate_metrics(self, epochs):
        """Keeps the lines of the first `epochs` epochs, which must be there. Returns them.

        Raises:
          UserError: some are missing.
        """
        lines = self.read_metrics()
        kept = [line for line in lines if line.get("epoch", 0) <= epochs]
        if [line.get("epoch") for line in kept] != list(range(1, epochs + 1)):
            raise UserError(f"{self.path / 'metrics.jsonl'}: damaged, the checkpoint has {epochs} epochs and the file "
                            f"{len(kept)} of them; restore it from a copy, or start in another --workdir")
        if len(kept) < len(lines):
            self._write_metrics(kept)
        return kept

    def append_metrics(self, line):
        """Adds one epoch's record, on disk when this returns."""
        try:
            with open(self.path / "metrics.jsonl", "ab") as file:
                file.write((json.dumps(line) + "\n").encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise UserError(f"can't write {self.path / 'metrics.jsonl'}: {error.strerror}; make room, "
                            "then run the same command again") from error

    def write_environment(self, value):
        files.write_json(self.path / "environment.json", value)

    def write_summary(self, value):
        files.write_json(self.path / "summary.json", value)

    def _write_metrics(self, lines):
        files.write_atomic(self.path / "metrics.jsonl", "".join(json.dumps(v) + "\n" for v in lines).encode())


def peak_memory_mib():
    """The most memory this process has held, in MiB (Linux counts ru_maxrss in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def _flag_lines(text):
    return [line for line in text.splitlines() if line.startswith("--")]
