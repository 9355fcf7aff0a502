"""TensorFlow operations written in C: loaded from a library that was compiled when cifar_fast was installed."""
import contextlib
import ctypes
import functools
import os


@functools.cache
def load(path):
    """The module of a library's operations, which have the names that they are registered by, in snake case.

    Raises:
      tf.errors.OpError or OSError: this TensorFlow does not load it.
    """
    import tensorflow as tf
    with contextlib.suppress(OSError):  # TensorFlow 2.22 shows its symbols to others only if asked
        ctypes.CDLL(os.path.join(tf.sysconfig.get_lib(), "libtensorflow_framework.so.2"), ctypes.RTLD_GLOBAL)
    return tf.load_op_library(path)


@functools.cache
def refused(path):
    """Why TensorFlow does not load a library, in its words; "" where it does."""
    import tensorflow as tf
    try:
        load(path)
    except (tf.errors.OpError, OSError) as error:
        return str(error).rpartition("/")[2]
    return ""
