"""A recipe's compiled programs, for machines that have an accelerator and no TensorFlow.

    python -m benchmarks.export --recipe=seed_cifar10 --precision=bfloat16 --data_dir=PATH --out=FOLDER

Takes the flags of `cifar_fast train`; `benchmarks.replay` trains from what it writes. The programs are the trainer's
own as XLA has them, in StableHLO, from the gathering of a batch to the update of the weights; as many steps in a call
as --steps_per_call allows (100 by default) and every epoch is a multiple of. FOLDER holds

    train_SIDE.mlir   the training loop at an image side: images, labels and variables → totals and variables
    evaluate.mlir     the evaluation: images, labels and variables → loss, top-1, top-5 (and with TTA)
    variables.npz     the variables before the first step
    replay.json       what the programs take, the flags, the shapes of the data

and no images: the replay has its own. With --expected it also holds expected.npz, what TensorFlow makes of the first
call on the replay's random images, for `benchmarks.replay --check`.
"""
import math
import sys
from pathlib import Path

from benchmarks.support import harness
from cifar_fast import cli, environment
from cifar_fast.config import FREE
from cifar_fast.errors import UserError
from cifar_fast.system import files

if __name__ == "__main__":  # the tests have prepared it
    environment.prepare()
with environment.quiet():
    import tensorflow as tf

import numpy as np  # noqa: E402

from benchmarks import trials  # noqa: E402
from benchmarks.replay import npz, random_images  # noqa: E402
from cifar_fast.machine import devices  # noqa: E402
from cifar_fast.training import (  # noqa: E402
    objective,
    pipeline,
    plan,
    trainer,  # noqa: E402
)
from cifar_fast.training.step import accumulate  # noqa: E402

LONGEST = 100  # steps a call, where --steps_per_call does not say


def main(arguments):
    if {"--help", "-h"} & set(arguments):
        print(__doc__)
        return
    own = [a for a in arguments if a.startswith("--out=") or a == "--expected"]
    folder = next((a.removeprefix("--out=") for a in own if a != "--expected"), "")
    if not folder:
        raise UserError("--out: missing; give the folder to write, as in --out=exported")
    config = cli.config_for([a for a in arguments if a not in own])
    # What is written is compiled as a whole anyway.
    compute = devices.resolve(config.precision, "off", convolutions="tensorflow")
    ours = trainer.Trainer(config, compute, trainer.load_data(config))
    if not ours.resident:
        raise UserError("--input: a replay has all images on the device; take --input=resident")
    export(ours, compute.precision, Path(folder), "--expected" in own)


def export(ours, precision, folder, expected=False):
    """Writes a `trainer.Trainer`'s programs and variables, see above. precision: what it computes in.

    Raises:
      UserError: the folder can't be written.
    """
    config, data = ours.config, ours.data
    with files.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    steps = steps_a_call(config.steps_per_call or LONGEST, [e.steps for e in ours.plan])
    kinds = ours.engine.variables()
    variables = [*(v for kind in kinds.values() for v in kind), *ours.engine.inputs()]
    programs = {}
    for epoch in {e.size: e for e in ours.plan}.values():
        name = trials.program(epoch, data.train_images.shape)
        arguments = [tf.zeros([steps, config.batch_size], tf.int32), tf.constant(0), tf.constant(0), tf.zeros([steps])]
        programs[name] = _write(folder / f"{name}.mlir", training(ours, steps, epoch.size), arguments,
                                ["indices", "epoch", "first", "rates"], ours.engine.data, variables)
    held = ours.evaluate.images, ours.evaluate.labels
    programs["evaluate"] = _write(folder / "evaluate.mlir", evaluation(ours), [], [], held, variables)
    files.write_atomic(folder / "variables.npz", npz({str(i): v.numpy() for i, v in enumerate(variables)}))
    if expected:
        files.write_atomic(folder / "expected.npz", npz(_expected(ours, steps, variables)))
    ends, known = np.cumsum([0, *map(len, kinds.values())]).tolist(), {id(v): i for i, v in enumerate(variables)}
    files.write_json(folder / "replay.json", {
        "command": harness.command(), "flags": config.flag_lines(without=FREE),
        "precision": precision, "steps": steps, "programs": programs, "classes": len(data.class_names),
        "train": list(data.train_images.shape), "test": list(data.test_images.shape),
        "padded": len(held[0]), "kernels": [known[id(k)] for k in ours.model.kernels()],
        "variables": dict(zip(kinds, zip(ends, ends[1:], strict=False), strict=True)), "versions": harness.versions()})


def steps_a_call(limit, epochs):
    """The largest number of steps up to `limit` that divides those of every epoch (integers)."""
    common = math.gcd(*epochs)
    return max(n for n in range(1, min(common, limit) + 1) if common % n == 0)


def training(ours, steps, size):
    """The loop over `steps` steps of an epoch on images of a side (see `Engine.run`) as one XLA program.

    It takes indices (int32 [steps, B]), the epoch, the run's steps before these (int32), and their rates (float32
    [steps]); it gives the totals (float32 [3]). Compiled, it also takes the engine's variables and gives those that it
    changed.
    """
    engine = ours.engine

    @tf.function(jit_compile=True, autograph=False)
    def program(indices, epoch, first, rates):
        return accumulate(lambda i: engine.step(indices[i], epoch, first + i, rates[i], size), 0, steps, tf.zeros(3))

    return program


def evaluation(ours):
    """The evaluation as one XLA program: float32 [3], loss, top-1, top-5, or [5], these and top-1, top-5 with TTA."""
    evaluator, tta = ours.evaluate, bool(ours.evaluate.view_weights)

    @tf.function(jit_compile=True, autograph=False)
    def program():
        losses, _, _, *ranks = (t[:evaluator.examples] for t in evaluator.run(tta))
        loss = tf.reduce_mean(losses) + objective.l2_penalty(ours.model.kernels(), evaluator.l2)
        return tf.stack([loss, *(tf.reduce_mean(tf.cast(r < k, tf.float32)) for r in ranks for k in (1, 5))])

    return program


def _write(path, function, arguments, names, data, variables):
    """Writes a program. Returns what it takes, in order: its arguments' names, "images" and "labels", and places in
    `variables`."""
    known = {id(d): n for d, n in zip(data, ("images", "labels"), strict=True)}
    known |= {id(v.handle): i for i, v in enumerate(variables)}
    captured = function.get_concrete_function(*arguments).captured_inputs
    files.write_atomic(path, function.experimental_get_compiler_ir(*arguments)(stage="stablehlo_serialized"))
    return names + [known[id(c)] for c in captured]


def _expected(ours, steps, variables):
    """Totals and variables after the first call on `replay.random_images`, by TensorFlow on this machine."""
    images, labels = random_images(ours.data.train_images.shape, len(ours.data.class_names))
    ours.engine.data = tf.constant(images), tf.constant(labels)
    order = plan.permutation(ours.config.seed, 0, len(images))
    batches = iter(pipeline.index_batches(order, ours.config.batch_size))
    totals = ours.train(batches, 0, 0, steps, np.zeros(3, np.float32))
    return {"totals": totals, **{str(i): v.numpy() for i, v in enumerate(variables)}}


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        sys.exit(f"export: {error}")
