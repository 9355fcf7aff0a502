"""The transforms of a batch by XLA (`augment.affine`), for machines on which the C code was not compiled. Computed in
float32, so pixels differ from Keras's in the last digits."""
import functools

import numpy as np
import tensorflow as tf

from cifar_fast.augment.affine import Affine
from cifar_fast.augment.places import Parameters
from cifar_fast.generator.parameters import NEUTRAL


def batch(generator, images, index, drawn, dtype, rescale=None):
    """What `transform.batch` describes."""
    planar = generator.data_format == "channels_first"
    images = images[index]
    images = images.transpose(0, 2, 3, 1) if planar else images
    # What is neutral for all is left out, and one batch's program then serves the next.
    given = {name: np.float32(values) for name, values in drawn.items()
             if values is not None and (NEUTRAL[name] is None or np.any(values != NEUTRAL[name]))}
    given |= {name: values.astype(bool) for name, values in given.items() if name.startswith("flip")}
    program = _program(generator.fill_mode, float(generator.cval), int(generator.interpolation_order), rescale,
                       images.shape[1:])
    moved = program(images, Parameters(**given)).numpy().astype(dtype, copy=False)
    return np.ascontiguousarray(moved.transpose(0, 3, 1, 2) if planar else moved)


@functools.cache
def _program(fill_mode, cval, order, rescale, shape):
    """One for each shape of an image, which must be known; only the batch's size varies."""
    affine = Affine(fill_mode=fill_mode, cval=cval, interpolation_order=order, rescale=rescale, value_range="keras")
    return tf.function(affine.transform, jit_compile=True, reduce_retracing=True, autograph=False)
