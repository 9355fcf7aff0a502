"""The faults themselves: each function does something bad to real trainings and says what came of it.

Each returns a list of `Trial`. A trial is survived if what was promised holds: nothing that was reported as saved is
lost, a refusal is one line that names the file, and the run still goes on to the uninterrupted run's result.
"""
import collections
import contextlib
import errno
import functools
import itertools
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.support import faulty
from benchmarks.support.children import EPOCHS, FLAGS, PATIENCE, STEPS, Child, differences, errors, finish, one_line
from cifar_fast.runs.directory import checkpoint

SLOW = 0.004  # seconds a file call takes longer where a moment within writing is to be hit
EVALUATE = ("evaluate",)


@dataclass(frozen=True)
class Trial:
    """fault: its row in the table. lost: what went wrong, in words, "" if the trial was survived. mended: whether
    the run went on by itself, without an error; detail: what was tried."""

    fault: str
    detail: str
    lost: str = ""
    mended: bool = False


def kills(folder, whole, seed, count):
    """One run, killed `count` times: within a file call, in the midst of training and saving, or at its start."""
    rng, workdir, trials, lines = random.Random(seed), folder / "run", [], b""
    for _ in range(count):
        kind = rng.choices(("within a file call", "while training", "while starting"), (5, 4, 1))[0]
        if kind == "within a file call":
            number = rng.randrange(1, 60)
            child = Child(workdir, lambda number=number: faulty.kill_at(workdir, number))
            child.wait()
        else:
            child = Child(workdir, lambda: faulty.slow_files(workdir, SLOW))
            if kind == "while training":
                child.wait_for_training()
                time.sleep(rng.uniform(0, 0.2))
            else:
                time.sleep(rng.uniform(0, 3))
            child.signal(signal.SIGKILL)
            child.wait()
        if child.code == 0:
            break  # done before it could be killed
        lost = "" if child.code == -signal.SIGKILL else f"ended with {child.code}: {child.output()[-300:]}"
        lost = lost or _lost_after_kill(child)
        trials.append((kind, lost))
        kept = _saved_lines(workdir)
        if not kept.startswith(lines):
            trials[-1] = kind, "lines of metrics.jsonl changed"
        lines = kept
    lost = finish(workdir, whole)
    if not lost and not (workdir / "metrics.jsonl").read_bytes().startswith(lines):
        lost = "lines of metrics.jsonl that were saved changed"
    result = [Trial(f"SIGKILL {kind}", f"run {seed}, kill {i + 1}", here) for i, (kind, here) in enumerate(trials)]
    return [*result, Trial("a killed run's end beside an uninterrupted run", f"run {seed}, {len(trials)} kills", lost)]


def _lost_after_kill(child):
    """The newest checkpoint must be at least the last that was reported, and whole."""
    reported = child.reported()
    try:
        found = checkpoint.latest(child.workdir / "checkpoints")
    except checkpoint.CheckpointError as error:
        return str(error)
    if found is None or found.damaged:
        return f"{reported[-1]} was reported, but {found and found.damaged}" if reported or found else ""
    number = int(re.findall(r"\d+", found.path.name)[0])
    return f"{max(reported)} was reported, {number} is there" if reported and number < max(reported) else ""


def _saved_lines(workdir):
    """What metrics.jsonl holds of the epochs that the newest checkpoint has, as bytes."""
    found = checkpoint.latest(workdir / "checkpoints")
    lines = (workdir / "metrics.jsonl").read_bytes().splitlines(True) if found else []
    return b"".join(lines[:len(found.meta["metrics"])]) if found else b""


def failing_calls(folder, whole, faults):
    """One run, in which calls fail one after another: one clear error each, then it goes on to the next; at last to
    its end. faults: (call, name of a file, n, errno) each: from a process's n-th such call on, all fail."""
    workdir, trials = folder / "run", []
    for call, name, nth, number in faults:
        child = Child(workdir, functools.partial(faulty.fail_from, workdir, call, name, nth, number))
        code, output = child.wait()
        lost = _not_one_line((code, output))
        if os.strerror(number) not in output or str(workdir) not in output:
            lost = lost or f"where or why is not said: {output[-300:]}"
        trials.append(Trial(f"{call} fails", f"{name}: {errno.errorcode[number]}", lost or _lost_after_kill(child)))
    lost = finish(workdir, whole)
    return [*trials, Trial("a run's end after failed calls", f"{len(faults)} of them", lost)]


def size_limit(folder, whole):
    """A limit on the size of files, within a checkpoint."""
    workdir = folder / "run"
    ended = Child(workdir, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))).wait()
    return [Trial("a file size limit", "RLIMIT_FSIZE", _not_one_line(ended) or finish(workdir, whole))]


def full_disk(folder, whole):
    """A small disk that is full, then read-only, where one may be mounted: by root."""
    disk, workdir, notes = folder / "disk", folder / "disk" / "run", folder / "notes"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True).returncode:
        return []
    try:
        child = Child(workdir, lambda: faulty.slow_files(workdir, SLOW), notes=notes)
        child.wait_for_training()
        _fill(disk / "ballast")
        lost = _not_one_line(child.wait())
        (disk / "ballast").unlink()
        lost = lost or _lost_after_kill(child)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        read_only = _not_one_line(Child(workdir, notes=notes).wait())
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        end = finish(workdir, whole, notes)
        return [Trial("a full disk", "tmpfs", lost or end), Trial("a read-only disk", "tmpfs", read_only or end)]
    finally:
        subprocess.run(["umount", disk], check=True)


def _fill(path):
    with open(path, "wb", 0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def _not_one_line(ended):
    """What is wrong with an exit code and output that should be 1 and one line, in words; "" if nothing."""
    code, output = ended
    return "" if code == 1 and one_line(output) else f"ended with {code}: {output[-300:]}"


def stopped_run(workdir):
    """A run stopped by SIGTERM in the middle of its fourth epoch."""
    Child(workdir, lambda: faulty.terminate_after(3 * STEPS + 1), ("train", *FLAGS, "--checkpoint_every=300")).wait()


DAMAGES = {
    "truncated": lambda data, rng: data[:rng.randrange(1, max(2, len(data)))],
    "emptied": lambda data, rng: b"",
    "a bit flipped": lambda data, rng: _flipped(data, rng.randrange(8 * len(data))),
    "deleted": None,
}


def _flipped(data, bit):
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def damaged(folder, whole, origin, names, damage, seed, command=None):
    """Damages files of a copy of the run directory `origin`, then resumes (or evaluates): mended, or refused by name.

    names: paths in it, all damaged alike.
    """
    workdir, rng = folder / "run", random.Random(seed)
    shutil.copytree(origin, workdir)
    for name in names:
        path = workdir / name
        if damage == "deleted":
            path.unlink()
        else:
            path.write_bytes(DAMAGES[damage](path.read_bytes(), rng))
    detail = f"{' and '.join(names)} of a {origin.name} run" + (", evaluated" if command else "")
    code, output = Child(workdir, command=command or ("train", *FLAGS)).wait()
    words = {Path(name).name for name in names}
    if damage == "deleted":  # a file that is not there is as well named by its folder
        words |= {f"/{Path(name).parent}:" for name in names}
    named = any(word in output for word in words)
    lost = ""
    if code:
        lost = _not_one_line((code, output)) or ("" if named else f"refused without its name: {output[-300:]}")
    elif command:
        accuracy = f'"accuracy": {whole["accuracy"]},'
        lost = "" if accuracy in output else f"another result: {output[-300:]}"
    else:
        lost = differences(workdir, whole)
        if "checkpoints/best.ckpt" in names and "lost:" in output and named:
            lost = ""  # said, and nothing else can be: the weights of that epoch are nowhere else
    return [Trial(f"a file of the run {damage}", detail, lost, mended=code == 0)]


def checkpoints_a_file(folder, whole, origin):
    """The folder of the checkpoints replaced by a file."""
    workdir = folder / "run"
    shutil.copytree(origin, workdir)
    shutil.rmtree(workdir / "checkpoints")
    (workdir / "checkpoints").write_text("a file")
    code, output = Child(workdir).wait()
    good = code == 1 and "checkpoints" in (one_line(output) or "")
    return [Trial("checkpoints/ replaced by a file", origin.name, "" if good else output[-300:])]


def two_runs(folder, whole):
    """A second run is refused by name while one trains, and a killed one's lock is taken over."""
    workdir, trials = folder / "run", []
    first = Child(workdir, lambda: faulty.slow_files(workdir, SLOW))
    first.wait_for_training()
    code, output = Child(workdir).wait()
    good = code == 1 and f"process {first.pid} on " in (one_line(output) or "")
    trials.append(Trial("a second run on the workdir", "while one trains", "" if good else output[-300:]))
    first.signal(signal.SIGKILL)
    first.wait()
    trials.append(Trial("a dead process's lock", "taken over", finish(workdir, whole)))
    return trials


def lacking(folder, whole, call, number):
    """A file system without locks, or that syncs no folders: it is trained on, a second run is refused by name, and a
    killed one goes on."""
    workdir, lack = folder / "run", functools.partial(faulty.lack, call, number)
    first = Child(workdir, lambda: (lack(), faulty.slow_files(workdir, SLOW)))
    first.wait_for_training()
    code, output = Child(workdir, lack).wait()
    lost = "" if code == 1 and f"process {first.pid} on " in (one_line(output) or "") else output[-300:]
    first.signal(signal.SIGKILL)
    first.wait()
    lost = lost or _lost_after_kill(first) or finish(workdir, whole, prepare=lack)
    return [Trial(f"a file system without {call}", errno.errorcode[number], lost)]


def nowhere_to_write(folder, whole, lacking):
    """No temporary folder, no home, no user, or several of these: it trains as ever, and says nothing of it."""
    workdir = folder / "run"
    line = [sys.executable, "-m", "benchmarks.support.containers", ",".join(lacking), "train", *FLAGS]
    done = subprocess.run([*line, f"--workdir={workdir}"], capture_output=True, text=True, timeout=PATIENCE)
    said = errors(done.stderr) or "\n".join(line for line in done.stdout.splitlines() if "left out" in line)
    lost = f"ended with {done.returncode}: {said[-300:]}" if done.returncode or said else differences(workdir, whole)
    return [Trial("nowhere to write", f"no {', no '.join(lacking)}", lost)]


def three_at_once(folder, whole):
    """Three runs started on one workdir: one trains, the others are refused, or find it done."""
    workdir = folder / "run"
    ended = [child.wait() for child in [Child(workdir) for _ in range(3)]]
    good = any(code == 0 for code, _ in ended) and all(code == 0 or one_line(output) for code, output in ended)
    lost = "" if good else f"ended with {[code for code, _ in ended]}"
    return [Trial("three runs on a workdir at once", "started together", lost or differences(workdir, whole))]


def signals(folder, whole, numbers, seed):
    """One signal: saved and said so. Two: at least not worse than a kill."""
    workdir, rng = folder / "run", random.Random(seed)
    child = Child(workdir, lambda: faulty.slow_files(workdir, SLOW))
    child.wait_for_training()
    time.sleep(rng.uniform(0, 0.1))
    for number in numbers:
        child.signal(number)
        time.sleep(rng.uniform(0, 0.02))
    code, output = child.wait()
    lost = "" if "Traceback" not in output and code else f"ended with {code}: {output[-300:]}"
    if len(numbers) == 1 and (code != 128 + numbers[0] or "the same command goes on" not in output):
        lost = lost or f"ended with {code}: {output[-300:]}"
    elif code not in (128 + n for n in numbers) and code not in (-n for n in numbers):
        lost = lost or f"ended with {code}"
    lost = lost or _lost_after_kill(child)
    return [Trial(" then ".join(n.name for n in numbers), f"seed {seed}", lost or finish(workdir, whole))]


def planted(folder, whole, place, value, number):
    """NaN or infinity: refused in one line, nothing of it saved, and without it the run goes on."""
    workdir = folder / "run"
    code, output = Child(workdir, lambda: faulty.plant(place, value, number)).wait()
    lost = "" if code == 1 and "not finite" in (one_line(output) or "") else f"ended with {code}: {output[-300:]}"
    for path in (workdir / "checkpoints").glob("*.ckpt"):
        if not all(np.isfinite(array).all() for array in checkpoint.load(path)[0].values()):
            lost = lost or f"{path.name} is not finite"
    when = "an epoch's last step" if (number + 1) % STEPS == 0 else "a step"
    return [Trial(f"{value} in {place}", f"in {when}", lost or finish(workdir, whole))]


def tasks(calls, origins):
    """All (function, arguments); `benchmarks.faults` adds the folder and the uninterrupted run's result.

    calls: how often an uninterrupted run makes each, {(call, name): times}. origins: run directories to damage, an
    unfinished and a finished one.
    """
    found = [(kills, (run, 11)) for run in range(10)]
    found += [(function, ()) for function in (size_limit, full_disk, two_runs, three_at_once)]
    found += [(nowhere_to_write, (lacking,)) for lacking in (
        ["temporary folder"], ["home"], ["temporary folder", "home"], ["user"], ["temporary folder", "user"])]
    found += [(lacking, ("flock", number)) for number in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)]
    found += [(lacking, ("fsync", number)) for number in (errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF)]
    errors = errno.ENOSPC, errno.EIO, errno.EACCES
    # Of a checkpoint and a line of metrics each call, with each error, the second time where there is one.
    saving = ("checkpoints/step-.ckpt", "checkpoints", "metrics.jsonl", ".")
    faults = [(call, name, min(times, 2), error) for (call, name), times in sorted(calls.items())
              if name in saving and call != "mkdir" for error in errors]
    found += [(failing_calls, (faults[i:i + 8],)) for i in range(0, len(faults), 8)]
    others = [(call, name) for call, name in sorted(calls) if call in ("mkdir", "ftruncate") or name not in saving and (
        call == "write" or "best" in name)]
    found += [(failing_calls, ([(*other, 1, errors[i % 3])],)) for i, other in enumerate(others)]
    term, interrupt = signal.SIGTERM, signal.SIGINT
    hangup, first, second = signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2
    for seed, numbers in enumerate([(term,), (interrupt,), (term, term), (interrupt, interrupt),
                                    (term, interrupt), (interrupt, term), (hangup,), (first,), (second,),
                                    (hangup, hangup), (first, term)]):
        found.append((signals, (numbers, seed)))
    for place, value in itertools.product(("images", "weights", "gradients"), ("nan", "inf")):
        found += [(planted, (place, value, STEPS * EPOCHS // 2 - before)) for before in (0, 1)]
    seeds = itertools.count()
    for origin in origins:
        names = sorted(str(p.relative_to(origin)) for p in origin.rglob("*") if p.is_file())
        groups = [[name] for name in names] + [[name for name in names if "step-" in name]]
        for group, damage in itertools.product(groups, DAMAGES):
            found.append((damaged, (origin, group, damage, next(seeds))))
        found.append((checkpoints_a_file, (origin,)))
    for name, damage in itertools.product(("config.flags", "checkpoints/best.ckpt"), DAMAGES):
        found.append((damaged, (origins[-1], [name], damage, next(seeds), EVALUATE)))
    return found


def short(found, rng):
    """A task of each function, drawn by `rng`, but those of many trainings, and `nowhere_to_write`, which
    tests/test_environment.py has; one kill, one failing call."""
    by_function = collections.defaultdict(list)
    for function, arguments in found:
        by_function[function].append(arguments)
    del by_function[three_at_once], by_function[full_disk], by_function[nowhere_to_write]
    chosen = {function: rng.choice(several) for function, several in by_function.items()}
    chosen[kills] = (rng.randrange(1000), 1)
    faults, = chosen[failing_calls]
    chosen[failing_calls] = (faults[:1],)
    return list(chosen.items())
