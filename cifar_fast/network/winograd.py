"""3×3 convolutions and their gradients by Winograd's algorithm, in C (`native/`).

It takes a quarter of the multiplications, and oneDNN has it for no processor with AVX2 alone (docs/performance.md). In
float32 the results differ from TensorFlow's in the sixth digit, the gradients by kernels in the fifth. In bfloat16 the
products are of what is transformed and then rounded, and the results are 1.2% from exact ones where oneDNN's are 0.2%
(root mean squares).
"""
import importlib.util

import tensorflow as tf

from cifar_fast.system import operations, processor

# By the dtype of activations: of what the C code takes multiples of channels and of filters, and the instructions that
# it is compiled to.
LANES = {"float32": 16, "bfloat16": 32}
INSTRUCTIONS = {"float32": {"avx2", "fma"}, "bfloat16": {"avx512f", "avx512_bf16"}}
LIBRARY = importlib.util.find_spec("cifar_fast_winograd")  # None where it was not compiled, see setup.py


def serves(layer, channels):
    """Whether a Keras `Conv2D` with "same" padding, given so many channels, is one for `convolution`."""
    lanes = LANES[layer.compute_dtype]
    return layer.kernel_size == (3, 3) and layer.strides == (1, 1) and not (layer.filters % lanes or channels % lanes)


def refused():
    """Why TensorFlow does not load the C code, in its words; "" where it does."""
    return operations.refused(LIBRARY.origin)


def has_bfloat16():
    """Whether the C code was compiled with bfloat16, whose instructions not all compilers know."""
    with tf.Graph().as_default():  # nothing is computed
        try:
            convolution(tf.zeros((1, 1, 1, 32), tf.bfloat16), tf.zeros((3, 3, 32, 32)), tf.zeros(32))
        except TypeError:
            return False
    return True


def wide():
    """Whether the C code may use vectors of sixteen numbers: where AVX-512 is, unless oneDNN is limited to less."""
    return "avx512f" in processor.flags() and processor.onednn_limit() not in ("SSE41", "AVX", "AVX2", "AVX2_VNNI")


def convolution(inputs, kernel, bias, skip=None):
    """Convolution of stride 1 with "same" padding, and what is added to it before it is rounded and written.

    Args:
      inputs: float32 or bfloat16 [B, H, W, C]. kernel: float32 [3, 3, C, F]. C and F are multiples of `LANES`.
      bias: float32 [F]. skip: [B, H, W, F], of the inputs' dtype, or None.
    Returns:
      [B, H, W, F], of the inputs' dtype. It and its gradients are the same to the bit whenever as many threads compute.
    Raises:
      tf.errors.InvalidArgumentError: other shapes. tf.errors.ResourceExhaustedError: no memory.
    """
    # As many threads as TensorFlow's own kernels have.
    threads = tf.config.threading.get_intra_op_parallelism_threads() or processor.usable_cores()
    operation, means = operations.load(LIBRARY.origin), {"threads": threads, "wide": wide()}

    @tf.custom_gradient
    def computed(inputs, kernel, bias, *skip):
        def gradients(dy):
            by_inputs = operation.cifar_fast_input_gradient(dy, kernel, **means)
            by_kernel = operation.cifar_fast_kernel_gradient(inputs, dy, **means)
            # TensorFlow's own for a bias sums in bfloat16, and is off by a tenth where there are many pixels.
            by_bias = tf.reduce_sum(tf.cast(dy, bias.dtype), [0, 1, 2])
            return (_with_shape(by_inputs, inputs.shape), _with_shape(by_kernel, kernel.shape), by_bias,
                    *[dy for _ in skip])

        outputs = operation.cifar_fast_convolution(inputs, kernel, bias, skip, **means)
        return _with_shape(outputs, [*inputs.shape[:-1], kernel.shape[-1]]), gradients

    return computed(inputs, kernel, bias, *([] if skip is None else [skip]))


def _with_shape(tensor, shape):
    tensor.set_shape(shape)
    return tensor
