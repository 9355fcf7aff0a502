"""Where the images come from: published files, .npz, TFDS or the built-in set, all as uint8 arrays in memory."""
from pathlib import Path

from cifar_fast import paths
from cifar_fast.data import split, synthetic, tfds
from cifar_fast.data.cifar import places
from cifar_fast.data.cifar.published import ARCHIVES
from cifar_fast.data.dataset import Dataset
from cifar_fast.errors import UserError


def load(name, data_dir=None, *, seed=0, classes=10, train_examples=None, test_examples=None,
         validation_examples=0):
    """Loads a data set.

    Args:
      name: "cifar10", "cifar100" (fine labels) or "synthetic".
      data_dir: the folder of the published files or one that holds it, their .tar.gz, an .npz, or a TFDS folder;
        None asks TFDS.
      seed, classes: of the synthetic set.
      train_examples, test_examples: use only the first n.
      validation_examples: the last n training images take the test set's place; the first of the rest train.
    Raises:
      UserError: nothing usable there; a damaged or hostile file; fewer images than asked for.
      ValueError: an unknown name, or a number of examples that can't be one.
    """
    if name not in ("synthetic", *ARCHIVES):
        raise ValueError(f"name={name!r}: must be cifar10, cifar100 or synthetic")
    if validation_examples < 0 or any(n is not None and n < 1 for n in (train_examples, test_examples)):
        raise ValueError("train_examples and test_examples must be at least 1 or None, validation_examples at least 0")
    if name == "synthetic":
        data = _synthetic(seed, classes, train_examples, test_examples, validation_examples)
    elif data_dir:
        data = places.load(name, Path(paths.local(data_dir, "--data_dir")))
    else:
        data = tfds.load(name)
    if validation_examples:
        data = split.held_out(data, validation_examples)
    return split.first(data, train_examples, test_examples)


def _synthetic(seed, classes, train_examples, test_examples, validation_examples):
    train = train_examples + validation_examples if train_examples else synthetic.TRAIN
    test = test_examples or synthetic.TEST
    if max(train, test) > synthetic.MOST:
        raise UserError(f"--dataset=synthetic: {max(train, test)} images were asked for, and at most "
                        f"{synthetic.MOST} are made; take fewer")
    arrays = synthetic.make(seed, classes, train, test)
    return Dataset(*arrays, synthetic.class_names(classes), f"synthetic: drawn by seed {seed}, {classes} classes")
