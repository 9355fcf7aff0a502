"""Which images train and which are evaluated: what the flags hold out, and the first of what is left."""
from dataclasses import replace

import numpy as np

from cifar_fast.data.rows import chosen
from cifar_fast.errors import UserError

WAYS = ("auto", "last", "stratified")


def held_out(data, count, how, seed):
    """The `Dataset` with `count` of its training images in place of the test set; both parts keep the order.

    Args:
      how: "last" takes the last ones. "stratified" draws them by `seed`, of each class as large a share. "auto" takes
        the last ones if every class then trains and is evaluated.
    Raises:
      UserError: more than there are; a class that would be missing on either side.
    """
    labels, size = data.train_labels, len(data.train_labels)
    if count >= size:
        raise UserError(f"--validation_examples={count}: there are {size} training images; hold out fewer")
    if how == "stratified":
        test = drawn(labels, count, seed, data.class_names)
        train = np.setdiff1d(np.arange(size), test)
        said = f"{count} training images, drawn by seed {seed} with each class's share,"
    else:
        train, test, said = slice(size - count), slice(size - count, None), f"the last {count} training images"
        if how == "auto":
            _check_both_sides(data, labels[train], labels[test])
    return replace(data, train_images=chosen(data.train_images, train), train_labels=labels[train],
                   test_images=chosen(data.train_images, test), test_labels=labels[test],
                   origin=f"{data.origin}; {said} held out in place of the test set")


def drawn(labels, count, seed, names):
    """Places [count], in order, drawn by `seed` from the labels [N] so that each class has its share, rounded, and is
    on both sides. Raises UserError where that can't be."""
    classes, sizes = np.unique(labels, return_counts=True)
    if sizes.min() < 2:
        raise UserError(f"--validation_split=stratified: there is one training image of "
                        f"{names[classes[sizes.argmin()]]}, which can't be on both sides; add some, leave that class "
                        "out, or take --validation_split=last")
    if not len(classes) <= count <= len(labels) - len(classes):
        raise UserError(f"--validation_examples={count}: of {len(labels)} training images in {len(classes)} classes "
                        f"hold out {len(classes)} to {len(labels) - len(classes)}, so that each class is on both sides")
    shares = count * sizes / len(labels)
    taken = np.clip(np.floor(shares).astype(int), 1, sizes - 1)
    while missing := count - taken.sum():  # one at a time, where it brings a class nearest to its share
        step = np.sign(missing)
        free = taken < sizes - 1 if step > 0 else taken > 1
        taken[np.argmax(np.where(free, step * (shares - taken), -np.inf))] += step
    order = np.random.RandomState(seed).permutation(len(labels))  # whose numbers no version of NumPy changes
    order = order[np.argsort(labels[order], kind="stable")]  # class by class
    place_in_class = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(order[place_in_class < np.repeat(taken, sizes)])


def _check_both_sides(data, train, test):
    for part, labels in (("train", train), ("be held out", test)):
        missing = np.setdiff1d(data.train_labels, labels)
        if len(missing):
            raise UserError(f"--validation_examples={len(test)}: with the last images held out, none of "
                            f"{data.class_names[missing[0]]} would {part} ({len(missing)} such classes); take "
                            "--validation_split=stratified, or last if they should all the same")


def first(data, train, test):
    """The `Dataset` with only the first images of each part, where a number is given. Raises UserError: more than there
    are."""
    for flag, count, images in (("train", train, data.train_images), ("test", test, data.test_images)):
        if count and count > len(images):
            raise UserError(f"--{flag}_examples={count}: there are only {len(images)}; ask for fewer")
    if train or test:
        classes = len(np.unique(data.train_labels))
        data = replace(data, train_images=chosen(data.train_images, slice(train)),
                       train_labels=data.train_labels[:train], test_images=data.test_images[:test],
                       test_labels=data.test_labels[:test],
                       origin=f"{data.origin}; the first {len(data.train_labels[:train])} training and "
                              f"{len(data.test_labels[:test])} test images used")
        left = len(np.unique(data.train_labels))
        if left < classes:  # as of data that are sorted by class
            data = replace(data, origin=f"{data.origin}, with {left} of {classes} classes")
    return data
