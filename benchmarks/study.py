"""A study beside the same runs as commands of their own: wall time, and that the weights are the same.

    python -m benchmarks.study --out=study.json

Three learning rates with four seeds of a small network, on the built-in images or with --data_dir on CIFAR-10, by
`cifar_fast study` and by twelve `cifar_fast train`, in turns; images a second count whole processes. A seed draws
built-in images of its own, whose programs are compiled anew; all seeds share those of CIFAR.
"""
import functools
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from absl import app, flags

from benchmarks.support import harness

FLAGS = flags.FLAGS
RATES, SEEDS = ("0.002", "0.005", "0.01"), range(4)
NAMES = "cifar_fast study", "cifar_fast train, each"


def define_flags():
    flags.DEFINE_integer("repeats", 3, "turns of each", lower_bound=1)
    flags.DEFINE_string("data_dir", None, "CIFAR-10, as for cifar_fast train")
    flags.DEFINE_integer("train_examples", 2000, "training images", lower_bound=50)
    flags.DEFINE_integer("epochs", 2, "epochs of a run", lower_bound=1)
    flags.DEFINE_integer("filters", 16, "filters of the network's first third", lower_bound=1)
    flags.DEFINE_string("out", None, "write the record (JSON) here")


def main(_):
    digests = {name: [] for name in NAMES}
    with tempfile.TemporaryDirectory() as folder:
        turns = {name: functools.partial(work, folder, digests[name]) for name, work in zip(
            NAMES, (_study, _each), strict=True)}
        rates = harness.interleave(turns, FLAGS.repeats, warmup=0)
    same = all(found == digests[NAMES[0]][0] for found in (*digests[NAMES[0]], *digests[NAMES[1]]))
    settings = {name: getattr(FLAGS, name) for name in ("train_examples", "epochs", "filters")}
    settings["dataset"] = "cifar10" if FLAGS.data_dir else "synthetic"
    results = [harness.result(name, rates[name], settings) for name in NAMES]
    ratio = harness.ratio(*NAMES, rates)
    runs = len(RATES) * len(SEEDS)
    for name in NAMES:
        print(f"{name:<24}{_images(runs) / harness.summary(rates[name])['median']:8.1f} s for {runs} runs")
    print(f"time of the study to that of the commands: {1 / ratio['median']:.2f} ({1 / ratio['max']:.2f}–"
          f"{1 / ratio['min']:.2f}); weights {'the same' if same else 'DIFFER'}")
    if FLAGS.out:
        harness.write(FLAGS.out, "study", results, [ratio], runs=runs, same_weights=same)
    return 0 if same else 1


def _flags():
    data = ["--dataset=cifar10", f"--data_dir={FLAGS.data_dir}"] if FLAGS.data_dir else []
    return ["--recipe=quickstart", *data, f"--train_examples={FLAGS.train_examples}", "--test_examples=500",
            f"--epochs={FLAGS.epochs}", f"--filters={FLAGS.filters}"]


def _study(folder, digests):
    with tempfile.TemporaryDirectory(dir=folder) as studydir:
        _run("study", *_flags(), "--final", f"--vary=learning_rate={','.join(RATES)}",
             f"--seeds={SEEDS.start}:{SEEDS.stop}", f"--studydir={studydir}")
        digests.append({(rate, seed): _digest(Path(studydir) / f"learning_rate={rate}" / f"seed{seed}")
                        for rate in RATES for seed in SEEDS})
    return _images(len(digests[-1]))


def _each(folder, digests):
    found = {}
    for rate in RATES:
        for seed in SEEDS:
            with tempfile.TemporaryDirectory(dir=folder) as workdir:
                _run("train", *_flags(), f"--learning_rate={rate}", f"--seed={seed}", f"--workdir={workdir}")
                found[rate, seed] = _digest(workdir)
    digests.append(found)
    return _images(len(found))


def _images(runs):
    return runs * FLAGS.train_examples * FLAGS.epochs


def _run(*arguments):
    subprocess.run([sys.executable, "-m", "cifar_fast", *arguments], check=True, stdout=subprocess.DEVNULL)


def _digest(workdir):
    return json.loads((Path(workdir) / "summary.json").read_text(encoding="utf-8"))["weights_sha256"]


if __name__ == "__main__":
    define_flags()
    app.run(main)
