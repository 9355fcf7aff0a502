"""The network that a run has saved: evaluated, or exported for programs that know nothing of this library."""
import contextlib
import dataclasses
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from cifar_fast.errors import UserError, short
from cifar_fast.machine import devices
from cifar_fast.network.resnet import ResNet
from cifar_fast.runs import formats
from cifar_fast.runs.directory import checkpoint
from cifar_fast.runs.directory.signature import Signature
from cifar_fast.runs.directory.workdir import Workdir, config_of_run
from cifar_fast.system import files
from cifar_fast.system.streams import warn
from cifar_fast.training import trainer
from cifar_fast.training.batch import Statistics
from cifar_fast.training.vectors import packed, unpacked


class Saved(NamedTuple):
    """A checkpoint's network, with the weights that its run evaluated. epoch: how many it was trained; data: the digest
    of what it was trained on, None where the checkpoint does not say by which statistics and classes."""

    model: ResNet
    signature: Signature
    epoch: int
    data: str | None


def evaluate(config, which="best"):
    """Evaluates a checkpoint of `config.workdir`, "best" or "last", on the data that `config` names: the run's test
    images, or all test images of other data, or where those have no test set all images. Other data are said to be
    such; they become what the network takes, their images by the run's `resize` and statistics, their classes by the
    names. Returns a dict of plain numbers and strings.

    Raises:
      UserError: no such checkpoint, bad data, images or classes that the network does not know, or a loss that is not
        finite.
    """
    compute = compute_for(config)
    saved = restored(config, which, compute)
    data = _evaluated(config, saved)
    saved.signature.check_shape(data.test_images.shape[1:], data.origin)
    labels = saved.signature.labels(data.test_labels, data.class_names, data.origin)
    evaluator = trainer.build_evaluator(config, [saved.model], data.test_images, labels, saved.signature.statistics)
    result = evaluator(tta=True)
    if not np.isfinite(result.loss):
        raise UserError(f"{config.workdir}: the test loss of the {which} checkpoint is not finite in "
                        f"{compute.precision}; evaluate with --precision=float32")
    return {"checkpoint": which, "epoch": saved.epoch, "data": data.origin, "examples": len(labels),
            "loss": result.loss, "accuracy": result.accuracy, "top5": result.top5, "tta": config.tta,
            "tta_accuracy": result.tta_accuracy, "tta_top5": result.tta_top5,
            "weights_sha256": trainer.weights_sha256(saved.model)}


def _evaluated(config, saved):
    """The `Dataset` of whose test images a network is evaluated."""
    own = config_of_run(config.workdir)
    if saved.data is None or (own.dataset, own.data_dir) == (config.dataset, config.data_dir):
        data = trainer.load_data(config)
    else:
        with contextlib.suppress(UserError):  # other data may have too few to divide, or no test images
            data = trainer.load_data(config)  # the run's, maybe, where they are now
            if data.digest() == saved.data:
                return data
        data = trainer.load_data(dataclasses.replace(
            config, **saved.signature.reading(), train_examples=None, test_examples=None, validation_examples=0,
            validation_share=0.0, validation_split="auto"), tested=False)
        if not len(data.test_images):
            data = dataclasses.replace(data, test_images=data.train_images, test_labels=data.train_labels)
    if saved.data and saved.data != data.digest():
        warn(f"other data than the run's, or in another order: {data.origin}; standardized as the run's")
    return data


def compute_for(config):
    """The `devices.Compute` that evaluates the network of a run: what computed the training may not be here, or not in
    another precision."""
    convolutions = "auto" if config.convolutions == "winograd" else config.convolutions
    return devices.resolve(config.precision, config.xla, convolutions=convolutions)


def export(config, which="best", format="saved_model"):
    """Writes a checkpoint's network to `config.workdir`, in a format of `formats.NAMES` and by its name there; what is
    there is replaced. Returns the path.

    Raises:
      UserError: no such checkpoint, a format that can't be written here, or a folder that can't.
    """
    formats.check(format)
    model, signature, *_ = restored(config, which, devices.resolve("float32", "off", convolutions="tensorflow"))
    path = Path(config.workdir) / formats.NAMES[format]
    try:
        with files.writing(path), tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as aside:
            new = Path(aside) / path.name
            formats.write(format, str(new), model, signature)
            if path.exists():
                path.rename(f"{aside}/old")
            new.rename(path)
    except tf.errors.OpError as error:
        raise UserError(f"can't write {path}: {short(error.message)}; make room there, then run the same command "
                        "again") from error
    return path


def restored(config, which, compute):
    """The `Saved` of a checkpoint of `config.workdir`, "best" or "last". One of before version 0.2 kept no statistics:
    they are then those of the data that `config` names."""
    folder = Workdir(config.workdir).checkpoints
    arrays, meta, damaged = (
        (*checkpoint.load_best(folder), []) if which == "best" else checkpoint.load_last(folder))
    for problem in damaged:
        warn(f"passed over: {problem}")
    if "network" in meta:
        signature, digest = Signature.of_meta(meta["network"], folder), meta.get("data")
    else:
        data, digest = trainer.load_data(config), None
        statistics = Statistics.of(data.train_images, config.standardize)
        signature = Signature.of(data, trainer.evaluated_by(config, data, statistics))
        whose = "the run's, by what it noted of them" if meta.get("data") == data.sampled_digest() else (
            "other data than the run's, or in another order")
        warn(f"{folder}: of a version that kept no statistics; taken from the data, {whose}: {data.origin}")
    model = trainer.build_model(config, compute, len(signature.class_names), signature.image_shape)
    if "average-000" in arrays:  # then that is what the run evaluated, see averages.Averages
        average = tf.Variable(packed(model.variables), name="average")
        checkpoint.restore("average", [average], arrays)
        for variable, value in zip(model.variables, unpacked(average, model.variables), strict=True):
            variable.assign(value)
    else:
        checkpoint.restore("model", model.variables, arrays)
    return Saved(model, signature, meta["epoch"], digest)
