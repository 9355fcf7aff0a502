"""What Python calls in place of the command line: `cifar_fast.train`, `cifar_fast.evaluate`, `cifar_fast.predict`,
`cifar_fast.load_data`."""
import dataclasses
import signal
import sys

from cifar_fast import environment, parts
from cifar_fast.config import OF_EVALUATION, Config
from cifar_fast.errors import UserError
from cifar_fast.system import paths


def train(config, optimizer=None, augmentation=None, callbacks=()):
    """Trains a `Config` to its end, or goes on with the unfinished run in `config.workdir`.

    Prints what the command prints, and writes the same run directory.

    Args:
      optimizer: a function without arguments that returns a Keras optimizer, or a class of them; it must have
        `config.learning_rate`, which --schedule changes, or a `LearningRateSchedule` of its own.
      augmentation: a function (images [B, H, W, C] on the 0 to 255 scale, a seed int32 [2], ids int32 [B]) → images,
        of TensorFlow's operations, which XLA compiles; the seed is another in each epoch, and an id names an image.
        `config.flags` has the names of both, "module:function", which must be the same to go on.
      callbacks: objects with Keras's on_epoch_end(epoch, logs): epoch from 0, logs an epoch as in `metrics.jsonl`.
    Returns:
      What `summary.json` holds, as a dict of plain numbers and strings: `test_accuracy`, `test_top5`, `test_loss`,
      `seconds_per_epoch`, `weights_sha256` and more; accuracies are shares from 0 to 1. Under "metrics" stand the
      epochs, a list of dicts as in `metrics.jsonl`.
    Raises:
      UserError: bad data, a run directory that can't be used, a loss that is not finite, a lost worker.
      KeyboardInterrupt, SystemExit: SIGINT, or another signal, stopped the run; it is saved, and the same call goes on.
    """
    named = {n: parts.name(n, p) for n, p in (("optimizer", optimizer), ("augmentation", augmentation)) if p}
    config = dataclasses.replace(_checked(config), **named)
    for callback in callbacks:
        if not callable(getattr(callback, "on_epoch_end", None)):
            raise UserError(f"callbacks: {type(callback).__name__} has no on_epoch_end(epoch, logs)")
    _start_tensorflow()
    from cifar_fast.runs import train as runs
    from cifar_fast.training.trainer import Own
    outcome = runs.run(config, Own(optimizer, augmentation), callbacks)
    if outcome.code == 128 + signal.SIGINT:
        raise KeyboardInterrupt
    if outcome.code:
        raise SystemExit(outcome.code)
    return outcome.summary | {"metrics": outcome.metrics}


def evaluate(workdir, which="best", **changes):
    """Evaluates a checkpoint of a finished or interrupted run.

    Args:
      workdir: the run directory. which: "best" or "last".
      changes: fields of `Config` that differ from the run's: `data_dir` and others of other labelled data, which are
        standardized by the run's statistics; `precision`; `tta`.
    Returns:
      A dict of plain numbers and texts: `loss`, `accuracy`, `top5`, `tta_accuracy`, `tta_top5` (shares from 0 to 1),
      `epoch`, `examples`, `weights_sha256`, and `data`, a line that says what it was evaluated on.
    Raises:
      UserError: no such checkpoint, bad data, or a loss that is not finite.
    """
    _check_which(which)
    if foreign := changes.keys() - set(OF_EVALUATION):
        raise UserError(f"{', '.join(sorted(foreign))}: evaluate takes {', '.join(OF_EVALUATION)}; the rest is the "
                        "run's")
    from cifar_fast.runs.directory import workdir as workdirs
    config = workdirs.config_of_run(workdir, **changes)
    _start_tensorflow()
    from cifar_fast.runs import saved
    return saved.evaluate(config, which)


def predict(workdir, images, out="predictions.csv", which="best", *, probabilities=False, skip_damaged=False,
            image_column=None, precision=None, tta=None):
    """Writes what a run's network takes images for, as CSV: the image's name, its likeliest class and the probability,
    and the next four.

    Args:
      workdir: the run directory. which: "best" or "last".
      images: an image file; a folder or an archive (.zip, .tar) of images; a table of paths, or Parquet with the images
        in it; or an .npz with an array `x` of them.
      out: the file to write; whatever ends this, it is whole or what it was before.
      probabilities: add a column for each class. skip_damaged: leave out what can't be decoded.
      image_column: the table's column of images or their paths; None finds it by looking.
      precision, tta: of the arithmetic, and of the views that are averaged, as in `Config`; None takes the run's.
    Returns:
      A dict: `images`, how many were predicted, and `damaged`, a line for each that was left out.
    Raises:
      UserError: no such checkpoint, no images or a damaged one, or `out` can't be written.
    """
    _check_which(which)
    from cifar_fast.runs.directory import workdir as workdirs
    changes = {name: value for name, value in (("precision", precision), ("tta", tta)) if value is not None}
    config = workdirs.config_of_run(workdir, **changes)
    _start_tensorflow()
    from cifar_fast.runs import predict as predictions
    images = paths.local(images, "images")
    count, damaged = predictions.predict(config, images, out, which, probabilities, skip_damaged, image_column)
    return {"images": count, "damaged": damaged}


def load_data(config):
    """The images and labels that a `Config` names, as the trainer sees them.

    Returns:
      A `data.sources.Dataset`: `train_images`, `test_images` (uint8 [N, H, W, C]), `train_labels`, `test_labels` (int32
      [N]), `class_names` and `origin`, a line that says what was found.
    Raises:
      UserError: no data there, damaged ones, or images that don't fit the rest of `config`.
    """
    _start_tensorflow()
    from cifar_fast.training import trainer
    return trainer.load_data(_checked(config))


def _check_which(which):
    if which not in ("best", "last"):
        raise UserError(f"which={which!r}: must be 'best' or 'last'")


def _checked(config):
    if not isinstance(config, Config):
        raise UserError(f"expected a cifar_fast.Config, got {type(config).__name__}")
    return config


def _start_tensorflow():
    """Sets TensorFlow's environment where it is not imported yet; in a notebook that has imported it, its settings
    stand, and the run's banner says so."""
    if "tensorflow" not in sys.modules:
        environment.prepare()
        environment.start()
    import keras
    if keras.backend.backend() != "tensorflow":
        raise UserError(f"Keras runs on {keras.backend.backend()}, and cifar_fast trains on TensorFlow; set "
                        "KERAS_BACKEND=tensorflow before Keras is imported")
