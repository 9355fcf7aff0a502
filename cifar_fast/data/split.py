"""Which images train and which are evaluated: what the flags hold out, and the first of what is left."""
from dataclasses import replace

from cifar_fast.errors import UserError


def held_out(data, count):
    left = len(data.train_images) - count
    if left < 1:
        raise UserError(f"--validation_examples={count}: there are {len(data.train_images)} training images; "
                        "hold out fewer")
    return replace(data, train_images=data.train_images[:left], train_labels=data.train_labels[:left],
                   test_images=data.train_images[left:], test_labels=data.train_labels[left:],
                   origin=f"{data.origin}; the last {count} training images held out in place of the test set")


def first(data, train, test):
    for flag, count, images in (("train", train, data.train_images), ("test", test, data.test_images)):
        if count and count > len(images):
            raise UserError(f"--{flag}_examples={count}: there are only {len(images)}; ask for fewer")
    if train or test:
        data = replace(data, train_images=data.train_images[:train], train_labels=data.train_labels[:train],
                       test_images=data.test_images[:test], test_labels=data.test_labels[:test],
                       origin=f"{data.origin}; the first {len(data.train_images[:train])} training and "
                              f"{len(data.test_images[:test])} test images used")
    return data
