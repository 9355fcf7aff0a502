"""The resample in C (`native/affine.c`), an operation of TensorFlow's: on CPUs it is faster than XLA's program, which
gathers number by number."""
import importlib.util

import tensorflow as tf

from cifar_fast.augment.resample import FILL_MODES
from cifar_fast.system import operations, private, processor

LIBRARY = importlib.util.find_spec("cifar_fast_affine_op")  # None where it was not compiled, see setup.py


def serves(images):
    """Whether `resample` can take images (a tensor) here: bytes, on CPUs, and not within what XLA compiles, which knows
    no operations but its own."""
    return (images.dtype == tf.uint8 and LIBRARY is not None and not tf.config.list_physical_devices("GPU")
            and not _within_xla() and not operations.refused(LIBRARY.origin))


def resample(images, matrices, fill_mode="nearest", cval=0.0, order=1):
    """Samples images as scipy.ndimage.affine_transform does, in float64.

    Args:
      images: uint8 [B, H, W, C], each below 2**31 numbers.
      matrices: float64 [B, 6]. Output pixel (r, c) samples row m[0] r + m[1] c + m[2], column m[3] r + m[4] c + m[5].
      fill_mode, cval, order (0 or 1): SciPy's.
    Returns:
      float32 [B, H, W, C].
    Raises:
      tf.errors.InvalidArgumentError: other shapes. tf.errors.ResourceExhaustedError: no memory.
    """
    # As many threads as TensorFlow's own kernels have.
    threads = tf.config.threading.get_intra_op_parallelism_threads() or processor.usable_cores()
    sampled = operations.load(LIBRARY.origin).cifar_fast_affine(
        images, matrices, fill=FILL_MODES.index(fill_mode), cval=cval, order=int(order), threads=threads)
    sampled.set_shape(images.shape)
    return sampled


def _within_xla():
    """Whether what is traced is within a function that XLA compiles; where TensorFlow no longer tells, it may be."""
    found = private.part("ops.control_flow_util", "GraphOrParentsInXlaContext")
    return not tf.executing_eagerly() and (found is None or found(tf.compat.v1.get_default_graph()))
