"""3×3 convolutions whose gradient by the kernel is computed by code of our own, in C (`kernel_gradient.c`).

Where a processor has AVX2 and no more, oneDNN takes longer for this gradient than for the other two passes of a
convolution, and more than a third of a training step (docs/performance.md). The convolution and its gradient by the
inputs stay oneDNN's.
"""
import ctypes
import functools
import importlib.util
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from cifar_fast import processor

FILTERS = 32  # the C code takes multiples of it
INSTRUCTIONS = {"avx2", "fma"}  # that it is compiled to
LIBRARY = importlib.util.find_spec("cifar_fast_kernel_gradient")  # None where it was not compiled, see setup.py


def serves(layer):
    """Whether a Keras `Conv2D` with "same" padding is one for `convolution`."""
    return layer.kernel_size == (3, 3) and layer.strides == (1, 1) and layer.filters % FILTERS == 0


@tf.custom_gradient
def convolution(inputs, kernel):
    """Convolution of stride 1 with "same" padding.

    Args:
      inputs: float32 [B, H, W, C]. kernel: float32 [3, 3, C, F], F a multiple of `FILTERS`.
    Returns:
      float32 [B, H, W, F]. The gradient by the kernel is the same to the bit whenever it is computed by as many cores.
    """
    def gradients(dy):
        by_inputs = tf.raw_ops.Conv2DBackpropInput(input_sizes=tf.shape(inputs), filter=kernel, out_backprop=dy,
                                                   strides=[1, 1, 1, 1], padding="SAME")
        by_kernel = tf.numpy_function(by_kernel_of, [inputs, dy], tf.float32, stateful=False)
        return by_inputs, tf.ensure_shape(by_kernel, kernel.shape)

    return tf.nn.conv2d(inputs, kernel, 1, "SAME"), gradients


def by_kernel_of(inputs, dy):
    """The gradient by the kernel: float32 arrays [B, H, W, C] and [B, H, W, F] → [3, 3, C, F].

    Each core sums over a share of the images; the sums are added in order.
    """
    parts = min(processor.usable_cores(), len(inputs))
    sums = np.empty((parts, 3, 3, inputs.shape[-1], dy.shape[-1]), np.float32)
    bounds = [len(inputs) * part // parts for part in range(parts + 1)]

    def compute(part):
        images = slice(*bounds[part:part + 2])
        arrays = [np.ascontiguousarray(array) for array in (inputs[images], dy[images], sums[part])]
        sizes = bounds[part + 1] - bounds[part], *inputs.shape[1:], dy.shape[-1]
        return _library().kernel_gradient(*(ctypes.c_void_p(array.ctypes.data) for array in arrays),
                                          *map(ctypes.c_size_t, sizes))

    if any(list(_threads().map(compute, range(parts)))):
        raise MemoryError("no memory for the gradient of a convolution")
    return sums.sum(0)


@functools.cache
def _library():
    return ctypes.CDLL(LIBRARY.origin)  # which lets go of Python's lock while it computes


@functools.cache
def _threads():
    return ThreadPoolExecutor(processor.usable_cores())
