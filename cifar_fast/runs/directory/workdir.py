"""The run directory: a run's configuration, metrics, checkpoints and pictures, held by one process."""
import dataclasses
import hashlib
import json
from pathlib import Path

from cifar_fast.config import BEFORE, Config
from cifar_fast.errors import UserError, short
from cifar_fast.runs.directory.lock import Lock
from cifar_fast.system import files, paths
from cifar_fast.system.streams import say

# Of `metrics.csv`, in order; an epoch's record has some or all of them.
COLUMNS = ("epoch", "step", "image_size", "learning_rate", "loss", "accuracy", "top5", "test_loss", "test_accuracy",
           "test_top5", "seconds", "compile_seconds", "test_seconds", "images_per_second", "pflop")
CHECKSUM = b"# sha256 of the lines above: "


class Workdir:
    """A context manager: creates and locks the folder, sweeps out what killed writes left, frees it.

    Raises:
      UserError: the folder can't be written, or another process trains in it.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.checkpoints, self.plots = self.path / "checkpoints", self.path / "plots"
        self.config, self.classes = self.path / "config.flags", self.path / "per_class.csv"
        self.metrics, self.metrics_table = self.path / "metrics.jsonl", self.path / "metrics.csv"
        self.environment, self.summary = self.path / "environment.json", self.path / "summary.json"
        self._lock = Lock(path)

    def read_config(self):
        """The lines of a run's `config.flags`, "--name=value". Raises UserError unless they are all as written:
        a lost or changed line would evaluate another network, or the same one on other data."""
        try:
            text = files.read_plain(self.config)
        except OSError as error:
            raise UserError(f"--workdir={self.path}: no run to read there, {self.config}: {error.strerror}; "
                            "name the folder of a run") from error
        body, _, digest = text.rpartition(CHECKSUM)
        if digest != _digest(body):
            raise UserError(f"{self.config}: damaged, edited or of another version, its checksum does not fit; restore "
                            "it from a copy, or start in another --workdir")
        return [line for line in body.decode(errors="backslashreplace").splitlines() if line.startswith("--")]

    def __enter__(self):
        folders = self.path, self.checkpoints, self.plots
        try:
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
            self._lock.take()
        except OSError as error:
            raise UserError(f"--workdir={self.path}: can't be written ({error.strerror}: {error.filename}); "
                            "name a folder, there or not, that can") from error
        try:
            for folder in folders:
                files.remove_leftovers(folder)
        except BaseException:
            self._lock.free()
            raise
        return self

    def __exit__(self, *_):
        self._lock.free()

    def open_config(self, lines, free):
        """Writes `config.flags`, or checks that the run begun here is the same. If it gets more epochs, its summary
        goes: it is no longer finished.

        Args:
          lines: "--name=value" of each flag. free: names that may differ.
        Raises:
          UserError: naming the flags that differ; or the file is damaged, or missing beside checkpoints.
        """
        if self.config.exists():
            if self._check_config(lines, free):
                with files.writing(self.summary):
                    self.summary.unlink(missing_ok=True)
        elif any(self.checkpoints.glob("*.ckpt")):
            raise UserError(f"{self.config}: missing, so nothing says which run the checkpoints are of; "
                            "restore it from a copy, or start in another --workdir")
        body = "\n".join(["# a run of cifar_fast", *lines, ""]).encode()
        files.write_atomic(self.config, body + CHECKSUM + _digest(body))

    def _check_config(self, lines, free):
        """Whether the run here gets more epochs and is the same else. Raises UserError if it is another."""
        before, now = _by_name(self.read_config()), _by_name(lines)
        names = [name for name in sorted(before.keys() | now.keys())
                 if name not in free and before.get(name) != now.get(name)]
        hint = "give the same flags to go on, or name another folder"
        if names == ["epochs"] and int(now["epochs"]) > int(before["epochs"]):
            tied = Config.of_flag_lines(lines).tied_to_epochs()
            if not tied:
                return True
            hint = (f"with {tied}, what an epoch does depends on their number; to train on, begin another run with "
                    f"these weights, by --init_from={self.path} and another --workdir")
        if names:
            different = (f"--{short(name)}: {short(before.get(name, 'unset'))} there, {now.get(name, 'unset')} now"
                         for name in names)
            raise UserError(f"--workdir={self.path}: a run with other flags ({'; '.join(different)}); {hint}")
        return False

    def read_summary(self, lines=None, free=()):
        """What `summary.json` holds; None if the run is not finished, or not begun. lines, free: as `open_config` takes
        them, to be refused unless the run is of these flags. Raises UserError."""
        try:
            summary = dict(json.loads(files.read_plain(self.summary)))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{self.summary}: can't be read ({short(str(error))}); delete it, and the same command "
                            "writes it again") from None
        if lines is not None and self._check_config(lines, free):
            return None
        return summary

    def check_that_nothing_is_lost(self):
        """For a folder without checkpoints: says that a run starts over, or raises UserError if one had finished an
        epoch, since each epoch's line is written after its checkpoint."""
        for path in (self.metrics, self.summary):
            if path.exists() and path.stat().st_size:
                raise UserError(f"{self.checkpoints}: no checkpoint there, but {path} tells of a run; restore one "
                                "from a copy, or start in another --workdir")
        if self.environment.exists():
            say(f"no checkpoint in {self.checkpoints}: starting from the first step")

    def append_metrics(self, line):
        """Adds an epoch's record (a dict with some keys of `COLUMNS`), on disk on return. Raises UserError."""
        files.append(self.metrics, _json_lines([line]))
        files.append(self.metrics_table, _csv_lines([line]))

    def write_metrics(self, lines):
        """Writes `metrics.jsonl` and `metrics.csv` whole. Raises UserError."""
        files.write_atomic(self.metrics, _json_lines(lines))
        files.write_atomic(self.metrics_table, files.csv_lines([COLUMNS]) + _csv_lines(lines))

    def write_environment(self, value):
        files.write_json(self.environment, value)

    def write_summary(self, value):
        files.write_json(self.summary, value)


def config_of_run(path, **changes):
    """The `Config` of the run in a folder, but for the fields given. Raises UserError: no run is there, or its
    `config.flags` is damaged or of another version."""
    path = paths.local(path, "--workdir")
    lines = Workdir(path).read_config()
    try:
        return dataclasses.replace(Config.of_flag_lines([*BEFORE, *lines]), **changes | {"workdir": path})
    except UserError as error:
        raise UserError(f"{error} (with what stands in {Path(path) / 'config.flags'})") from None


def _json_lines(records):
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def _csv_lines(records):
    if unknown := {key for record in records for key in record} - set(COLUMNS):
        raise ValueError(f"no column for {', '.join(sorted(unknown))}")
    return files.csv_lines([record.get(name) for name in COLUMNS] for record in records)


def _digest(body):
    return hashlib.sha256(body).hexdigest().encode() + b"\n"


def _by_name(lines):
    pairs = (line.removeprefix("--").partition("=") for line in lines)
    return {name: value for name, _, value in pairs}
