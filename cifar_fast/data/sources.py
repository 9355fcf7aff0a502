"""Where the images come from: CIFAR's files, any labelled images, TFDS or the built-in set, all as uint8 arrays."""
from dataclasses import replace
from pathlib import Path

from cifar_fast.data import split, synthetic, tfds
from cifar_fast.data.cifar import finding, places
from cifar_fast.data.dataset import Dataset
from cifar_fast.data.labelled import arrays, cache, images
from cifar_fast.errors import UserError
from cifar_fast.system import paths

TFDS = "tfds/"


def load(name, data_dir=None, *, seed=0, classes=10, train_examples=None, test_examples=None,
         validation_examples=0, validation_share=0.0, validation_split="auto", reading=None, splits=("train", "test"),
         tested=True):
    """Loads a data set.

    Args:
      name: "cifar10", "cifar100", "images", "tfds/NAME" or "synthetic".
      data_dir: where it lies, see `places.load` and `images.load`; of TFDS the folder of its data. None takes CIFAR
        from where other programs have left it, and else asks TFDS.
      seed: of the synthetic set, and of a split that is drawn. classes: of the synthetic set.
      train_examples, test_examples: use only the first n.
      validation_examples: so many of the training images take the test set's place; the first of the rest train.
      validation_share: the same as a share of them. validation_split: which, see `split.held_out`; "auto" is
        "stratified" for "images", whose order is that of their classes.
      reading: an `images.Reading`; None for its defaults. splits: of TFDS, to train and to evaluate on.
      tested: there must be test images.
    Raises:
      UserError: nothing usable there; a damaged or hostile file; fewer images than asked for.
      ValueError: an unknown name, or a number of examples that can't be one.
    """
    if name not in ("cifar10", "cifar100", "images", "synthetic") and not name.startswith(TFDS):
        raise ValueError(f"name={name!r}: must be cifar10, cifar100, images, tfds/NAME or synthetic")
    if validation_split not in split.WAYS:
        raise ValueError(f"validation_split={validation_split!r}: must be one of {', '.join(split.WAYS)}")
    if validation_examples < 0 or any(n is not None and n < 1 for n in (train_examples, test_examples)):
        raise ValueError("train_examples and test_examples must be at least 1 or None, validation_examples at least 0")
    reading, place = reading or images.Reading(), Path(paths.local(data_dir, "--data_dir")) if data_dir else None
    if name == "synthetic":
        data = _synthetic(seed, classes, train_examples, test_examples, validation_examples)
    elif name == "images" and not place:
        raise UserError("--dataset=images: needs --data_dir, the folder, archive, table or .npz with the images")
    elif name == "images":
        arrays_in_it = place.suffix.lower() == ".npz" and place.is_file()
        data = arrays.load(place) if arrays_in_it else images.load(place, reading)
    elif name.startswith(TFDS):
        data = tfds.load(name.removeprefix(TFDS), place, splits, reading)
    else:
        name += "_coarse" if reading.labels == "coarse" else ""
        data = places.load(name, place, reading) if place else finding.load(name, reading)
    data = _formed(data, reading.form)
    if validation_share:
        validation_examples = max(1, round(validation_share * len(data.train_images)))
    if validation_examples:
        how = "stratified" if name == "images" and validation_split == "auto" else validation_split
        data = split.held_out(data, validation_examples, how, seed)
    if tested and not len(data.test_images):
        raise UserError(f"{data.origin}: no test images; hold some of the training images out for the evaluation, as "
                        "by --validation_share=0.2")
    return split.first(data, train_examples, test_examples)


def _formed(data, form):
    """The images brought to a `cache.Form`, if they are not yet."""
    train, test = (cache.formed(part, form) for part in (data.train_images, data.test_images))
    return replace(data, train_images=train, test_images=test)


def _synthetic(seed, classes, train_examples, test_examples, validation_examples):
    train = train_examples + validation_examples if train_examples else synthetic.TRAIN
    test = test_examples or synthetic.TEST
    if max(train, test) > synthetic.MOST:
        raise UserError(f"--dataset=synthetic: {max(train, test)} images were asked for, and at most "
                        f"{synthetic.MOST} are made; take fewer")
    arrays = synthetic.make(seed, classes, train, test)
    return Dataset(*arrays, synthetic.class_names(classes), f"synthetic: drawn by seed {seed}, {classes} classes")
