"""Many runs: every seed of every variant, by programs that are compiled once.

    studydir/VARIANT/seedN      a run directory, the very one that `cifar_fast train` of these flags would leave
    studydir/table.{txt,md,csv,json}, study.png

The seeds are interleaved over the variants, so that an early stop leaves a fair table. Several processes and machines
may work on one `studydir`: each takes runs that nobody holds, by the locks of the run directories.
"""
import contextlib
import dataclasses
import time
from pathlib import Path

from cifar_fast.config import FREE, Config
from cifar_fast.errors import UserError
from cifar_fast.machine import runtime
from cifar_fast.runs import memory, train
from cifar_fast.runs.directory.lock import Held
from cifar_fast.runs.directory.workdir import Workdir
from cifar_fast.study import statistics, table
from cifar_fast.system import files
from cifar_fast.system.streams import say, warn
from cifar_fast.training import batch, trainer

KEPT = 8  # trainers, with their programs, that are held in memory
DATA = ("seed", *(field.name for field in dataclasses.fields(Config) if field.metadata["group"] == "data"))
POLL = 5.0  # seconds between two looks at runs that other processes hold


class Study:
    """What is to be run, and what has been.

    Args:
      variants: a list of `variants.Variant`, the baseline first unless it is named. seeds: whole numbers.
      studydir: the folder. baseline: a variant's name. target: an accuracy from 0 to 1, for a one-sided test, or None.
    Raises:
      UserError: no such baseline, SciPy is missing, or a variant asks for other devices than the first.
    """

    def __init__(self, variants, seeds, studydir, baseline=None, target=None):
        statistics.require()
        names = [variant.name for variant in variants]
        if baseline is not None and baseline not in names:
            raise UserError(f"--baseline={baseline}: no such variant; expected one of {', '.join(names)}")
        self.variants, self.seeds, self.path, self.target = variants, seeds, Path(studydir), target
        self.baseline = baseline or names[0]
        self.outcomes = {name: {} for name in names}
        self.failed, self.trainers, self.loaded = set(), [], {}

    def run(self):
        """Trains what is not finished yet. Returns the exit code: 0, or 128 + the signal that stopped it after saving;
        1 if a run ended in an error, with the others trained."""
        with memory.given_back():
            try:
                code = self._train()
            finally:
                self.trainers, self.loaded = [], {}
        if code:
            return code
        text = self.write()
        if any(self.outcomes.values()):
            text += f"\n{table.NOTE}\n\ntable.md, table.csv, table.json and study.png are in {self.path}"
        say(f"\n{text}")
        return 1 if self.failed else 0

    def _train(self):
        """Returns 0, or the exit code of the run that a signal stopped."""
        todo = [(variant, seed) for seed in self.seeds for variant in self.variants]
        began, trained = time.perf_counter(), 0
        with runtime.start(self._config(*todo[0])) as ours:
            while todo := [run for run in todo if not self._settled(ours, *run)]:
                for variant, seed in todo:
                    outcome = self._attempt(ours, variant, seed)
                    if outcome is None:
                        continue
                    if outcome.code:
                        return outcome.code
                    trained += 1
                    self._report(ours, (time.perf_counter() - began) / trained)
                    break
                else:
                    time.sleep(POLL)  # what is left is held by others, who may die
        return 0

    def _config(self, variant, seed):
        return dataclasses.replace(variant.config, seed=seed, workdir=str(self.path / variant.folder / f"seed{seed}"))

    def _runtime(self, ours, variant, seed):
        """The `Runtime` of one run: its own settled `Config`, on the devices that are there."""
        decided = runtime.decide(self._config(variant, seed))
        if decided.layout != ours.layout:
            raise UserError(f"{variant.name}: asks for other devices than the first variant; vary what is trained")
        return dataclasses.replace(decided, replicas=ours.replicas)

    def _settled(self, ours, variant, seed):
        """Whether a run needs no more training: it failed here, or its summary is there, which is then noted."""
        if (variant.name, seed) in self.failed or seed in self.outcomes[variant.name]:
            return True
        config = self._runtime(ours, variant, seed).config
        summary = Workdir(config.workdir).read_summary(config.flag_lines(), FREE)
        if summary is None:
            return False
        self.outcomes[variant.name][seed] = summary
        return True

    def _attempt(self, ours, variant, seed):
        """A run's `train.Outcome`, or None: another process holds it, or it failed."""
        mine, began = self._runtime(ours, variant, seed), time.perf_counter()
        folder = Path(mine.config.workdir)
        try:
            with files.writing(folder):
                folder.mkdir(parents=True, exist_ok=True)
                output = open(folder / "output.txt", "a", encoding="utf-8")
            with output, contextlib.redirect_stdout(output):
                return train.train(mine, self._data_of(mine.config), began, self._trainer_of)
        except Held:
            return None
        except UserError as error:
            self.failed.add((variant.name, seed))
            warn(f"{variant.name}, seed {seed}: {error}")
            return None

    def _data_of(self, config):
        """The data of a `Config`, loaded once, and one copy of equal ones."""
        asked = tuple(getattr(config, name) for name in DATA)
        if asked not in self.loaded:
            data = trainer.load_data(config)
            self.loaded[asked] = next((held for held in self.loaded.values() if held.digest() == data.digest()), data)
        batch.check(config, self.loaded[asked].train_images.shape[1:])  # of each variant, also where others loaded them
        return self.loaded[asked]

    def _trainer_of(self, config, compute, data, replicas):
        """A `Trainer` at the start of a run: one whose programs are compiled already, if there is one."""
        for kept in self.trainers:
            if kept.data is data and trainer.shares_programs(kept.config, config):
                kept.restart(config)
                break
        else:
            kept = trainer.Trainer(config, compute, data, replicas)
        self.trainers = [other for other in self.trainers if other is not kept][-KEPT + 1:] + [kept]
        return kept

    def _report(self, ours, seconds_a_run):
        """A line and the table so far; other processes' runs are counted, too."""
        left = 0
        for seed in self.seeds:
            for variant in self.variants:
                left += not self._settled(ours, variant, seed)
        total, text = len(self.seeds) * len(self.variants), self.write()
        if left:
            say(f"\n{total - left} of {total} runs done, about {seconds_a_run * left / 60:,.0f} min left\n{text}")

    def write(self):
        """Writes the table and the picture. Returns the table as text. Raises UserError."""
        failed = sorted(f"{name}, seed {seed}" for name, seed in self.failed)
        return table.write(self.outcomes, self.path, self.baseline, self.target, failed=failed)
