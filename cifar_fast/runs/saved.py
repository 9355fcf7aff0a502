"""The network that a run has saved: evaluated, or exported for programs that know nothing of this library."""
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from cifar_fast import files
from cifar_fast.errors import UserError, short
from cifar_fast.machine import devices
from cifar_fast.runs import checkpoint
from cifar_fast.runs.workdir import Workdir
from cifar_fast.streams import warn
from cifar_fast.training import trainer
from cifar_fast.training.batch import Statistics
from cifar_fast.training.vectors import packed, unpacked


def evaluate(config, which="best"):
    """Evaluates a checkpoint of `config.workdir`: "best" or "last". Returns a dict of plain numbers.

    Raises:
      UserError: no such checkpoint, bad data, or a loss that is not finite.
    """
    # What computed the training may not be here, or not in another precision.
    convolutions = "auto" if config.convolutions == "winograd" else config.convolutions
    compute = devices.resolve(config.precision, config.xla, convolutions=convolutions)
    model, data, epoch = _restored(config, which, compute)
    result = trainer.build_evaluator(config, [model], data)(tta=True)
    if not np.isfinite(result.loss):
        raise UserError(f"{config.workdir}: the test loss of the {which} checkpoint is not finite in "
                        f"{compute.precision}; evaluate with --precision=float32")
    return {"checkpoint": which, "epoch": epoch, "examples": len(data.test_images), "loss": result.loss,
            "accuracy": result.accuracy, "top5": result.top5, "tta": config.tta, "tta_accuracy": result.tta_accuracy,
            "tta_top5": result.tta_top5, "weights_sha256": trainer.weights_sha256(model)}


def export(config, which="best"):
    """Writes a checkpoint's network as a `Classifier`, in TensorFlow's SavedModel format. Returns the folder's path.

    The folder is `saved_model` in `config.workdir`; one that is there is replaced.

    Raises:
      UserError: no such checkpoint, bad data, or a folder that can't be written.
    """
    model, data, _ = _restored(config, which, devices.resolve("float32", "off", convolutions="tensorflow"))
    classifier = Classifier(model, Statistics.of(data.train_images, config.standardize), data.class_names)
    images = tf.TensorSpec([None, *data.train_images.shape[1:]], tf.uint8, "images")
    path = Path(config.workdir) / "saved_model"
    try:
        with files.writing(path), tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as aside:
            tf.saved_model.save(classifier, f"{aside}/new", classifier.__call__.get_concrete_function(images))
            if path.exists():
                path.rename(f"{aside}/old")
            Path(f"{aside}/new").rename(path)
    except tf.errors.OpError as error:
        raise UserError(f"can't write {path}: {short(error.message)}; make room there, then run the same command "
                        "again") from error
    return path


class Classifier(tf.Module):
    """Images uint8 [N, H, W, C], of the training images' size and as they are stored → float32 [N, classes], the
    probability of each class by softmax. Computes in float32.

    Attributes:
      class_names: a variable, string [classes].
    """

    def __init__(self, model, statistics, class_names):
        """model: a built `ResNet`. statistics: the `batch.Statistics` that standardize its images."""
        super().__init__()
        self.class_names = tf.Variable(class_names, trainable=False)
        self.weights = [v.value for v in model.variables]
        self.logits = lambda images: model(statistics(images))  # hides the model: what it is in Python isn't saved

    @tf.function(autograph=False)
    def __call__(self, images):
        return tf.nn.softmax(self.logits(images))


def _restored(config, which, compute):
    """The model of a checkpoint, with the weights that its run evaluated; the data; the epochs that it was trained."""
    folder = Workdir(config.workdir).checkpoints
    arrays, meta, damaged = (
        (*checkpoint.load_best(folder), []) if which == "best" else checkpoint.load_last(folder))
    for problem in damaged:
        warn(f"passed over: {problem}")
    data = trainer.load_data(config)
    if meta.get("data") != data.digest():
        warn(f"other data than those of the run, or in another order: {data.origin}")
    model = trainer.build_model(config, compute, data)
    if "average-000" in arrays:  # then that is what the run evaluated, see averages.Averages
        average = tf.Variable(packed(model.variables), name="average")
        checkpoint.restore("average", [average], arrays)
        for variable, value in zip(model.variables, unpacked(average, model.variables), strict=True):
            variable.assign(value)
    else:
        checkpoint.restore("model", model.variables, arrays)
    return model, data, meta["epoch"]
