"""To 94% on this machine: `fast_cifar10` and airbench94, the record holder's recipe, on the same cores, in turns.

    python -m benchmarks.race --data_dir=PATH --out=race.json --picture=race.png

What is measured is the training step: ours at each image size of the recipe, airbench94's in every mode that PyTorch
has, of which the best counts. How many images each trains until its end is known, ours by the recipe's plan, the
other's by its 9.9 passes; so the minutes follow. Evaluations are left out on both sides: airbench94's looks at six
views of a test image, ours at two. The ends are those of the records: with these views 94.07% for ours, and 93.51%
without (mean of 5 seeds), and 94.01% for airbench94 (mean of 1,000, its author's).

--whole trains both once, each in its fastest form, and says what they reached in which time. --contestants=airbench94
leaves ours out, of the turns and of that.
"""
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from absl import app, flags

from benchmarks.support import harness
from benchmarks.support.turns import Contestant, paced
from cifar_fast import cli
from cifar_fast.training import plan

FLAGS = flags.FLAGS
RECIPE, OURS, THEIRS = "fast_cifar10", "cifar_fast", "airbench94"
EXAMPLES = 50_000
STEPS = {OURS: 4, THEIRS: 1}  # at least, a turn
WHOLE = ("training_seconds", "final_evaluation_seconds", "test_accuracy", "tta_accuracy")  # what a run to the end says
CHOICES = {"contestants": [OURS, THEIRS], "precisions": ["float32", "bfloat16"], "modes": ["eager", "compiled"]}


def define_flags():
    flags.DEFINE_string("dataset", "cifar10", "cifar10 or, for the rates alone, synthetic")
    flags.DEFINE_string("data_dir", None, "as for cifar_fast train; not needed for synthetic")
    flags.DEFINE_list("contestants", CHOICES["contestants"], "who takes part")
    flags.DEFINE_list("precisions", CHOICES["precisions"], "of both; leave bfloat16 out on a processor that only "
                      "emulates it")
    flags.DEFINE_list("modes", CHOICES["modes"], "airbench94's; compiled is by torch.compile")
    for name, known in CHOICES.items():
        flags.register_validator(name, lambda chosen, known=known: set(chosen) <= set(known),
                                 f"expected some of {', '.join(known)}")
    flags.DEFINE_integer("repeats", 5, "turns of each", lower_bound=1)
    flags.DEFINE_bool("whole", False, "train each to the end once, on real images")
    flags.DEFINE_string("out", None, "write the record (JSON) here")
    flags.DEFINE_string("picture", None, "write a bar chart (PNG) here")


def our_images():
    """{side of the images: how many of them the recipe trains on}."""
    config, images = cli.config_for([f"--recipe={RECIPE}"]), {}
    for epoch in plan.epochs(config, EXAMPLES):
        images[epoch.size] = images.get(epoch.size, 0) + epoch.steps * config.batch_size
    return images


def minutes(images, rates):
    """The minutes of a run, one number a turn. images: {part of the run: its images}; rates: {part: images a second,
    one a turn}."""
    turns = zip(*(rates[part] for part in images), strict=True)
    return [sum(count / rate for count, rate in zip(images.values(), turn, strict=True)) / 60 for turn in turns]


def start():
    """Those that take part: (contestants, what of them did not start, in words)."""
    data = {"dataset": FLAGS.dataset} | ({"data_dir": FLAGS.data_dir} if FLAGS.data_dir else {})
    asked = [(OURS, "ours", {"recipe": RECIPE, "precision": precision}) for precision in FLAGS.precisions]
    asked += [(THEIRS, "airbench", {"autocast": precision == "bfloat16", "compiled": mode == "compiled"})
              for precision in FLAGS.precisions for mode in FLAGS.modes]
    running, left_out = [], []
    for name, module, settings in asked:
        if name not in FLAGS.contestants:
            continue
        try:
            running.append(Contestant(name, f"benchmarks.peers.{module}", data | settings))
        except RuntimeError as error:
            left_out.append(f"{name}, {shown(settings)}: {str(error).splitlines()[-1]}")
            print(f"left out: {left_out[-1]}", flush=True)
    return running, left_out


def shown(settings):
    """A contestant's settings as the table has them."""
    if "recipe" in settings:
        return {"precision": settings["precision"]}
    return {"precision": "bfloat16" if settings["autocast"] else "float32",
            "mode": "compiled" if settings["compiled"] else "eager"}


def measure(running):
    """Lets the contestants take turns, and ends them. Returns (results, ratios): those of a record, where the ratios
    are of minutes, so that ours is ahead below 1."""
    images = {c: our_images() if c.name == OURS else {32: c.about["images"]} for c in running}
    turns = {(c, side): paced(c, STEPS[c.name], *([side] if c.name == OURS else []))
             for c in running for side in images[c]}
    rates, results, taken = harness.interleave(turns, FLAGS.repeats), [], {}
    for c in running:
        own, whole = {side: rates[c, side] for side in images[c]}, sum(images[c].values())
        taken[c] = minutes(images[c], own)
        results.append(harness.result(
            c.name, [whole / 60 / m for m in taken[c]], shown(c.settings), minutes=harness.summary(taken[c]),
            images=images[c], at_sides={side: harness.summary(own[side]) for side in own},
            peak_memory_mib=c.peak_memory_mib()))
        c.close()
    return results, ratios(running, taken)


def ratios(running, taken):
    """Our minutes over those of airbench94's best mode: in each precision, and the fastest of ours with the fastest of
    all."""
    def fastest(group, name):
        return min((c for c in group if c.name == name), key=lambda c: statistics.median(taken[c]), default=None)

    groups = [[c for c in running if shown(c.settings)["precision"] == p] for p in FLAGS.precisions] + [running]
    pairs = dict.fromkeys((fastest(group, OURS), fastest(group, THEIRS)) for group in groups)
    return [harness.ratio(ours, theirs, taken, {"of": "minutes", OURS: _line(ours), THEIRS: _line(theirs)})
            | {"name": f"{OURS} / {THEIRS}"} for ours, theirs in pairs if ours and theirs]


def _line(contestant):
    return " ".join(shown(contestant.settings).values())


def train_whole(results):
    """Trains the fastest form of each to the end. Returns what came of it, by name."""
    slowest_first = sorted(results, key=lambda entry: -entry["minutes"]["median"])
    fastest = {entry["name"]: entry["settings"] for entry in slowest_first}
    found, ours, theirs = {}, fastest.get(OURS), fastest.get(THEIRS)
    if ours:
        with tempfile.TemporaryDirectory() as folder:
            flags_ = [f"--recipe={RECIPE}", f"--precision={ours['precision']}", f"--workdir={folder}/run"]
            flags_ += [f"--data_dir={FLAGS.data_dir}"] if FLAGS.data_dir else []
            subprocess.run([sys.executable, "-m", "cifar_fast", "train", *flags_], check=True)
            summary = json.loads(Path(folder, "run", "summary.json").read_text())
            found[OURS] = {key: summary[key] for key in WHOLE}
    if theirs:
        contestant = Contestant(THEIRS, "benchmarks.peers.airbench", {
            "dataset": "cifar10", "data_dir": FLAGS.data_dir, "autocast": theirs["precision"] == "bfloat16",
            "compiled": theirs["mode"] == "compiled", "whole": True})
        found[THEIRS] = contestant.about["whole"]
        contestant.close()
    return found


def main(_):
    if "torch" not in harness.versions():
        sys.exit("race: needs PyTorch, which is not installed; pip install torch")
    if FLAGS.whole and FLAGS.dataset != "cifar10":
        sys.exit(f"race: --whole --dataset={FLAGS.dataset}: needs cifar10, the real images")
    running, left_out = start()
    if not running:
        sys.exit("race: nothing started")
    results, of_minutes = measure(running)
    print(harness.table(results, of_minutes, of="minutes", form="{:,.1f} min"))
    for entry in results:
        parts = [f"{entry['images'][side]:,} images of {side} pixels at {rate['median']:,.0f} a second"
                 for side, rate in entry["at_sides"].items()]
        print(f"{entry['name']} {' '.join(entry['settings'].values())}: {', '.join(parts)}")
    whole = train_whole(results) if FLAGS.whole else {}
    for name, end in whole.items():
        print(f"{name}: {end['test_accuracy']:.2%}, with TTA {end['tta_accuracy']:.2%}, after "
              f"{end['training_seconds'] / 60:.1f} minutes of training")
    if FLAGS.out:
        harness.write(FLAGS.out, "race", results, of_minutes, left_out=left_out, **({"whole": whole} if whole else {}))
    if FLAGS.picture:
        harness.bar_chart(FLAGS.picture, results, "To 94% on this machine", of="minutes", unit="minutes of training")


if __name__ == "__main__":
    define_flags()
    app.run(main)
