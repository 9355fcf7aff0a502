"""A long run of short epochs: does its memory stay flat, and its pace?

    python -m benchmarks.soak --out=soak.json

A real `cifar_fast train` of a small network runs beside this process, which notes at the end of each epoch (training,
evaluation, checkpoint, a line of metrics) the resident memory, the wall seconds, and the processor's seconds,
which other work on the machine changes least. Exit code 1 if memory grew by more than 3% from epoch 20 to the last, or
the median epoch of the last fifth took more of the processor than the slowest quarter of epochs 20 to 60.
"""
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

from absl import app, flags

from benchmarks.support import harness
from cifar_fast import environment

FLAGS = flags.FLAGS
flags.DEFINE_integer("epochs", 200, "how many", lower_bound=100)
flags.DEFINE_string("out", None, "write the record (JSON) here")
TRAIN = ["train", "--dataset=synthetic", "--train_examples=640", "--test_examples=256", "--batch_size=64", "--units=3",
         "--filters=8", "--rotation_range=30", "--width_shift_range=0.1", "--horizontal_flip", "--checkpoint_every=0"]
PAGE, TICK = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
GROWTH = 1.03


def main(_):
    samples = []  # resident bytes, wall seconds, processor seconds
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "cifar_fast", *TRAIN, f"--epochs={FLAGS.epochs}", f"--workdir={folder}/run"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                if re.match(r"epoch +\d+/", line):
                    samples.append(sample(process.pid))
                    if len(samples) % 20 == 0:
                        print(f"epoch {len(samples)}: {samples[-1][0] >> 20} MiB", flush=True)
    if process.returncode or len(samples) != FLAGS.epochs:
        sys.exit(f"the training ended with {process.returncode} after {len(samples)} epochs")
    late = FLAGS.epochs * 4 // 5
    growth = samples[-1][0] / samples[19][0]
    results, paces = [], {}
    for name, column in (("wall time", 1), ("processor time", 2)):
        seconds = [after[column] - before[column] for before, after in zip(samples[:-1], samples[1:], strict=True)]
        early, last = seconds[19:59], seconds[late - 1:]
        paces[name] = statistics.median(last), statistics.quantiles(early, n=4)
        results.append({"name": f"{name} an epoch, s", "quartiles of epochs 20 to 60": paces[name][1],
                        "epochs 20 to 60": harness.summary(early),
                        f"epochs {late} to {FLAGS.epochs}": harness.summary(last)})
        print(f"{name}: {statistics.median(early):.3f} s an epoch from 20 to 60 (quartiles {paces[name][1][0]:.3f} and "
              f"{paces[name][1][2]:.3f}), {paces[name][0]:.3f} s from {late} to {FLAGS.epochs}")
    memory = {f"epoch {n}": samples[n - 1][0] >> 20 for n in (1, 20, *range(50, FLAGS.epochs, 50), FLAGS.epochs)}
    results.append({"name": "resident memory, MiB", **memory, "growth from epoch 20": growth})
    print(f"resident memory: {memory} MiB, {growth - 1:+.2%} from epoch 20 to {FLAGS.epochs}")
    if FLAGS.out:
        harness.write(FLAGS.out, "soak", results, [])
    pace, quartiles = paces["processor time"]
    return int(growth > GROWTH or pace > quartiles[2])


def sample(pid):
    """(resident bytes, wall seconds, processor seconds) of a process now."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * PAGE
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        user, system = file.read().rpartition(")")[2].split()[11:13]
    return resident, time.monotonic(), (int(user) + int(system)) / TICK


if __name__ == "__main__":
    environment.prepare()
    app.run(main)
