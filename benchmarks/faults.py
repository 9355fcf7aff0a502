"""What a run survives: real trainings are killed, refused their writes, damaged, doubled, signalled, fed with NaN.

    python -m benchmarks.faults --out=faults.json       all of it, in some 10 minutes on two cores
    python -m benchmarks.faults --short                 most kinds, once

A table says what was tried how often, how often it was survived, and what was lost. `support.fault_kinds` says what
each fault is and what survival means. Exit code 1 if anything was lost.
"""
import collections
import dataclasses
import multiprocessing
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from absl import app, flags

from benchmarks.support import harness
from cifar_fast import environment
from cifar_fast.system import processor

environment.prepare()

with environment.quiet():
    from benchmarks.support import children, fault_kinds, faulty
    from cifar_fast.runs.reports import classes, mistakes, report

FLAGS = flags.FLAGS
flags.DEFINE_boolean("short", False, "one fault of most kinds, drawn by --seed")
flags.DEFINE_integer("seed", 0, "of what is drawn: moments, bits, and the faults of --short")
# More than there are cores take turns, and their threads wait for each other.
flags.DEFINE_integer("processes", processor.usable_cores(), "trainings at a time", lower_bound=1)
flags.DEFINE_string("out", None, "write the record (JSON) here")


def main(_):
    begin, rng = time.monotonic(), random.Random(FLAGS.seed)
    if FLAGS.short:  # these pictures are compared with nothing, and take as long as a training
        report.curves = classes.draw = mistakes.draw = lambda *_: None
    root = Path(tempfile.mkdtemp(prefix="faults-"))
    try:
        whole, stopped = root / "finished", root / "unfinished"
        code, output = children.Child(whole, lambda: faulty.record_calls(whole, root / "calls")).wait()
        if code:
            sys.exit(f"the uninterrupted run ended with {code}:\n{output}")
        expected = children.result(whole)
        calls = collections.Counter(tuple(line.split(" ", 1)) for line in (root / "calls").read_text().splitlines())
        if FLAGS.short:
            tasks = fault_kinds.short(fault_kinds.tasks(calls, [whole]), rng)
        else:
            fault_kinds.stopped_run(stopped)
            tasks = fault_kinds.tasks(calls, [stopped, whole])
        # Forked here, before any thread runs: each of these forks a training at a time.
        with multiprocessing.get_context("fork").Pool(FLAGS.processes) as pool:
            jobs = [(root / f"task-{i}", expected, *task) for i, task in enumerate(tasks)]
            trials = []
            for i, found in enumerate(pool.imap_unordered(_work, jobs)):
                trials += found
                for trial in found:
                    if trial.lost:
                        print(f"LOST: {trial.fault}, {trial.detail}: {trial.lost}", flush=True)
                print(f"\r{i + 1} of {len(jobs)}", end="", file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(root)
    rows = summarize(trials)
    print("\n" + table(rows))
    seconds = round(time.monotonic() - begin)
    killed = sum(row["tried"] for row in rows if row["fault"].startswith("SIGKILL"))
    print(f"{len(trials)} trials, {killed} of them kills, {sum(bool(t.lost) for t in trials)} lost; {seconds} s")
    if FLAGS.out:
        harness.write(FLAGS.out, "faults", rows, [], kills=killed, trials=len(trials), seconds=seconds)
    return int(any(trial.lost for trial in trials))


def _work(job):
    folder, expected, function, arguments = job
    folder.mkdir()
    try:
        trials = function(folder, expected, *arguments)
        return [dataclasses.replace(trial, lost=trial.lost.replace(str(folder), "…")) for trial in trials]
    except Exception as error:  # of the harness: a trial that tells nothing is not survived
        return [fault_kinds.Trial(function.__name__, str(arguments), f"{type(error).__name__}: {error}")]
    finally:
        shutil.rmtree(folder)


def summarize(trials):
    """The rows of the table: {"fault", "tried", "survived", "mended", "lost"}, lost what went wrong, once each."""
    rows = collections.defaultdict(list)
    for trial in trials:
        rows[trial.fault].append(trial)
    return [{"fault": fault, "tried": len(of), "survived": sum(not t.lost for t in of),
             "mended": sum(t.mended for t in of), "lost": sorted({f"{t.detail}: {t.lost}" for t in of if t.lost})}
            for fault, of in sorted(rows.items())]


def table(rows):
    """The rows as text."""
    width = max(len(row["fault"]) for row in rows)
    lines = [f"{'fault':<{width}}  tried  survived  lost"]
    for row in rows:
        lost = "nothing" if not row["lost"] else "; ".join(row["lost"])[:200]
        lines.append(f"{row['fault']:<{width}}  {row['tried']:>5}  {row['survived']:>8}  {lost}")
    return "\n".join(lines)


if __name__ == "__main__":
    app.run(main)
