"""Seconds per epoch and images a second of the trainer, beside the ways people train this network today.

    python -m benchmarks.epoch_time --data_dir=PATH --out=epoch_time.json --picture=epoch_time.png

Each contestant is a process of its own (see `turns`) on one device; those of a batch size take turns of a part of an
epoch, A B A B, on the same data. Peers run as their users run them, and again with the environment switches that ours
sets. The first step, which compiles, is reported apart; what does not start is named and left out.
"""
import statistics
import sys

from absl import app, flags

from benchmarks.peers import PEERS
from benchmarks.support import harness
from benchmarks.support.turns import Contestant, paced

FLAGS = flags.FLAGS
flags.DEFINE_string("dataset", "cifar10", "cifar10, cifar100 or synthetic")
flags.DEFINE_string("data_dir", None, "as for cifar_fast train; not needed for synthetic")
flags.DEFINE_list("batch_sizes", ["32", "128"], "images a step; all but original run at each")
flags.DEFINE_list("precisions", ["auto"], "ours: auto, float32, bfloat16, float16")
flags.DEFINE_list("xla", ["auto"], "ours: auto, on, off")
flags.DEFINE_list("inputs", ["auto"], "ours: auto, resident, stream")
flags.DEFINE_list("peers", PEERS,
                  "original (ImageDataGenerator and fit, batch 32), keras (tf.data, layers and fit), keras_mixed (the "
                  "same in mixed precision: bfloat16, float16 on GPUs that lack it), pytorch (eager and compiled; "
                  "where installed), pytorch_mixed (the same with autocast); leave the mixed ones out on a processor "
                  "that only emulates bfloat16")
flags.register_validator("peers", lambda names: set(names) <= set(PEERS), f"expected some of {', '.join(PEERS)}")
flags.DEFINE_bool("switches", True, "run the TensorFlow peers again with the environment switches that ours sets")
flags.DEFINE_float("fraction", 0.02, "part of an epoch that a turn takes", lower_bound=1e-4, upper_bound=1)
flags.DEFINE_integer("repeats", 5, "turns of each", lower_bound=1)
flags.DEFINE_string("out", None, "write the record (JSON) here")
flags.DEFINE_string("picture", None, "write a bar chart (PNG) here")

EPOCH = 50_000  # images
AS_USERS_DO = {"TF_ENABLE_ONEDNN_OPTS": None}
SWITCHED = {"TF_ENABLE_ONEDNN_OPTS": "1"}
AUGMENTATION = {"rotation_range": 30, "width_shift_range": 0.1, "height_shift_range": 0.1, "horizontal_flip": "true",
                "vertical_flip": "true", "test_examples": 100, "strategy": "one_device"}


def contestants():
    """(name, module, settings, environment) of everything the flags ask for."""
    data = {"dataset": FLAGS.dataset} | ({"data_dir": FLAGS.data_dir} if FLAGS.data_dir else {})
    for size in map(int, FLAGS.batch_sizes):
        for precision in FLAGS.precisions:
            for xla in FLAGS.xla:
                for kind in FLAGS.inputs:
                    yield "cifar_fast", "ours", data | AUGMENTATION | {
                        "batch_size": size, "precision": precision, "xla": xla, "input": kind}, {}
    variants = [AS_USERS_DO, SWITCHED] if FLAGS.switches else [AS_USERS_DO]
    for environment in variants:
        mark = " with oneDNN" if environment is SWITCHED else ""
        if "original" in FLAGS.peers:
            yield f"original{mark}", "original", data | {"batch_size": 32}, environment
        for size in map(int, FLAGS.batch_sizes):
            for peer, policy in (("keras", "float32"), ("keras_mixed", "mixed")):
                if peer in FLAGS.peers:
                    yield f"{peer}{mark}", "keras_fit", data | {"batch_size": size, "policy": policy}, environment
    if "torch" in harness.versions():
        for size in map(int, FLAGS.batch_sizes):
            for peer, autocast in (("pytorch", False), ("pytorch_mixed", True)):
                for compiled in (False, True):
                    if peer in FLAGS.peers:
                        yield "pytorch", "pytorch", data | {
                            "batch_size": size, "compiled": compiled, "autocast": autocast}, {}


def main(_):
    results, ratios, left_out, asked = [], [], [], list(contestants())
    if {"pytorch", "pytorch_mixed"} & set(FLAGS.peers) and "torch" not in harness.versions():
        left_out.append("pytorch: not installed (pip install torch)")
        print(f"left out: {left_out[-1]}", flush=True)
    for size in dict.fromkeys(settings["batch_size"] for *_, settings, _ in asked):
        # One size at a time: all at once might not fit into the memory.
        running = []
        for name, module, settings, environment in asked:
            if settings["batch_size"] == size:
                try:
                    running.append(Contestant(name, f"benchmarks.peers.{module}", settings, environment))
                except RuntimeError as error:
                    left_out.append(f"{name}, {_label(settings)}: {str(error).splitlines()[-1]}")
                    print(f"left out: {left_out[-1]}", flush=True)
        if running:
            more = measure(running)
            results, ratios = results + more[0], ratios + more[1]
    if not results:
        sys.exit("epoch_time: nothing started")
    print(harness.table(results, ratios))
    for entry in results:
        print(f"{entry['name']:<22} batch {entry['settings']['batch_size']:>4}: "
              f"{entry['seconds_per_epoch']['median']:7.1f} s an epoch, first step after "
              f"{entry['startup_seconds']:.0f} s, {entry['peak_memory_mib']} MiB")
    if FLAGS.out:
        harness.write(FLAGS.out, "epoch_time", results, ratios, fraction=FLAGS.fraction, left_out=left_out)
    if FLAGS.picture:
        harness.bar_chart(FLAGS.picture, results, "Training the 2020 network")


def measure(running):
    """Lets contestants of one batch size take turns, and ends them. Returns a record's results and ratios."""
    turns = {}
    for contestant in running:
        steps = max(3, round(EPOCH * FLAGS.fraction / contestant.settings["batch_size"]))
        turns[contestant] = paced(contestant, steps)
    rates = harness.interleave(turns, FLAGS.repeats)
    results = []
    for contestant in running:
        seconds = [EPOCH / rate for rate in rates[contestant]]
        results.append(harness.result(
            contestant.name, rates[contestant], _shown(contestant.settings) | contestant.about["settings"],
            seconds_per_epoch=harness.summary(seconds), startup_seconds=contestant.ready_seconds,
            first_step_seconds=contestant.about.get("first_step_seconds"),
            peak_memory_mib=contestant.peak_memory_mib(), environment=contestant.environment))
        contestant.close()
    return results, _ratios(running, rates)


def _ratios(running, rates):
    """Ours over each peer, and of PyTorch the best mode of all against our best."""
    ratios = []
    ours = [c for c in running if c.name == "cifar_fast"]
    for peer in running:
        for mine in ours:
            if peer.name not in ("cifar_fast", "pytorch"):
                ratios.append(_ratio(mine, peer, rates))
    torch = [c for c in running if c.name == "pytorch"]
    if torch and ours:
        def fastest(group):
            return max(group, key=lambda c: statistics.median(rates[c]))
        ratios.append(_ratio(fastest(ours), fastest(torch), rates))
    return ratios


def _ratio(mine, peer, rates):
    settings = {"ours": _label(mine.settings), "theirs": _label(peer.settings)}
    return harness.ratio(mine, peer, rates, settings) | {"name": f"{mine.name} / {peer.name}"}


def _shown(settings):
    return {k: v for k, v in settings.items() if k not in ("data_dir", "dataset", *AUGMENTATION)}


def _label(settings):
    return ", ".join(f"{k} {v}" for k, v in _shown(settings).items())


if __name__ == "__main__":
    app.run(main)
