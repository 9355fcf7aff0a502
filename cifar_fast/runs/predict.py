"""What a saved network takes images without labels for: a line of CSV an image, in their order."""
from pathlib import Path

import numpy as np
import tensorflow as tf

from cifar_fast.data import unlabelled
from cifar_fast.errors import UserError
from cifar_fast.runs import saved
from cifar_fast.system import files, paths
from cifar_fast.training import evaluate

NAMED = 5  # classes of a line, the likeliest first


def predict(config, images, out, which="best", probabilities=False, skip_damaged=False, image_column=None):
    """Writes the predictions of a checkpoint of `config.workdir`, "best" or "last", as CSV: the image's name, then the
    likeliest class and its probability, then the next ones up to `NAMED`. They are the mean over the views of
    `config.tta`, as in the evaluation.

    An image is brought to the size and channels of the network as the run brought its own. `out` is written aside and
    renamed: whatever ends this, it is whole or what it was before.

    Args:
      images, image_column: what `unlabelled.find` takes. out: a path.
      probabilities: add a column for each class, "p(NAME)". skip_damaged: leave out images that can't be decoded.
    Returns:
      how many images were predicted, and a line for each damaged one that was left out.
    Raises:
      UserError: no such checkpoint; no images, or a damaged one; `out` can't be written; a probability that is not
        finite.
    """
    out = Path(paths.local(out, "--out"))
    files.remove_leftovers(out.parent, out.name)
    compute = saved.compute_for(config)
    network = saved.restored(config, which, compute)
    names = network.signature.class_names
    form = unlabelled.Form(network.signature.image_shape, config.resize, skip_damaged)
    source = unlabelled.find(images, form, image_column)
    named = min(NAMED, len(names))
    head = ["file", "class", "probability"]
    head += [f"{column}_{place}" for place in range(2, named + 1) for column in ("class", "probability")]
    with files.replacing(out) as file:
        file.write(files.csv_lines([head + [f"p({name})" for name in names] * probabilities]))
        for keys, logits, shares in _results(network, source, config.tta):
            if not np.isfinite(logits).all():
                raise UserError(f"--images={images}: what the {which} checkpoint in {config.workdir} gives is not "
                                f"finite in {compute.precision}; predict with --precision=float32")
            file.write(files.csv_lines(_rows(keys, logits, shares, names, named, probabilities)))
    return source.count - len(source.damaged), source.damaged


def _results(network, source, tta):
    """Names of images, and their logits and probabilities: float32 [n, K] each."""
    shape = network.signature.image_shape
    size = min(evaluate.at_a_time(*shape[:2]), source.count)  # as an evaluation batches: the same numbers

    @tf.function(autograph=False)
    def program(images):
        standardized = network.signature.statistics(images)
        logits = network.model(standardized)
        if tta != "none":
            logits = evaluate.averaged(network.model, standardized, logits, tta)
        return logits, tf.nn.softmax(logits)

    program = program.get_concrete_function(tf.TensorSpec([size, *shape], tf.uint8))
    for keys, images in source.batches(size):
        # The last batch is filled up with its own images: others might be the least certain ones.
        results = program(tf.constant(np.resize(images, (size, *shape))))
        yield keys, *(result.numpy()[:len(images)] for result in results)


def _rows(keys, logits, shares, names, named, probabilities):
    # By the logits, of which two may round to one probability; the first of equals, as in an evaluation.
    order = np.argsort(-logits, 1, kind="stable")[:, :named].tolist()
    for key, places, row in zip(keys, order, shares.tolist(), strict=True):
        line = [key]
        for place in places:
            line += names[place], f"{row[place]:.6g}"
        yield line + [f"{share:.6g}" for share in row] * probabilities
