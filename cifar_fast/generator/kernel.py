"""The transforms of a batch in C (`augment/native/affine.c`): what `Plan`s say becomes of each image, on all cores."""
import ctypes
import functools
import importlib.util

import numpy as np

from cifar_fast.system import processor

LIBRARY = importlib.util.find_spec("cifar_fast_affine")  # None where it was not compiled, see setup.py
FILL_MODES = ("nearest", "constant", "reflect", "wrap")
TYPES = (np.uint8, np.float32, np.float64)
RESAMPLE, FLIP_COLUMNS, FLIP_ROWS, SHIFT_CHANNELS, BRIGHTEN = 1, 2, 4, 8, 16

# What becomes of an image: augment/native/affine.h's structure of the same name.
PLAN = np.dtype([("matrix", "f8", 6), ("intensity", "f8"), ("brightness", "f8"), ("source", "i8"), ("steps", "i8")])


class _Batch(ctypes.Structure):
    """augment/native/affine.h's structure of the same name."""

    _fields_ = [(name, kind) for kind, names in (
        (ctypes.c_void_p, "images out plans"), (ctypes.c_double, "cval rescale"),
        (ctypes.c_int64, "count height width channels"), (ctypes.c_int32, "planar from_ to fill order threads"))
        for name in names.split()]


def transform(images, plans, out, *, planar, fill_mode, cval, order, rescale=None):
    """Transforms images.

    Args:
      images: uint8, float32 or float64 [N, H, W, C], or [N, C, H, W] where `planar`; contiguous.
      plans: `PLAN`s [B]: of the images to take, one each.
      out: float32 or float64 [B, …] to write to, contiguous; what is computed has its precision.
      fill_mode, cval, order (0 or 1): as scipy.ndimage.affine_transform takes them. rescale: a factor, or None.
    """
    channels, height, width = images.shape[1:] if planar else (images.shape[3], *images.shape[1:3])
    assert images.flags.c_contiguous and out.flags.c_contiguous and out.shape == (len(plans), *images.shape[1:])
    assert plans.dtype == PLAN and (not len(plans) or 0 <= plans["source"].min() <= plans["source"].max() < len(images))
    if height * width * channels >= 1 << 31:
        raise ValueError(f"images of {height}×{width}×{channels}: have too many numbers")
    plans = np.ascontiguousarray(plans)
    batch = _Batch(images.ctypes.data, out.ctypes.data, plans.ctypes.data, cval, rescale or 0,
                   len(plans), height, width, channels,
                   planar, TYPES.index(images.dtype), TYPES.index(out.dtype), FILL_MODES.index(fill_mode), order,
                   _cores())
    if _library()(ctypes.byref(batch)):
        raise MemoryError("no memory to transform images")
    return out


_cores = functools.cache(processor.usable_cores)  # to ask takes as long as a small batch


@functools.cache
def _library():
    function = ctypes.CDLL(LIBRARY.origin).cifar_fast_affine
    function.argtypes, function.restype = [ctypes.POINTER(_Batch)], ctypes.c_int
    return function
