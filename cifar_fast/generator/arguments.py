"""What ImageDataGenerator takes: checked before anything is drawn, with the argument's name in every message."""
import importlib.util
import math
import warnings
from numbers import Real

import numpy as np

from cifar_fast.generator.kernel import FILL_MODES

SCIPY_FILL_MODES = (*FILL_MODES, "mirror", "grid-mirror", "grid-constant", "grid-wrap")
FORMATS = ("channels_last", "channels_first")
DRAWS = (None, "keras")


def check(name, value, good, allowed):
    """Raises the ValueError that says what an argument must be."""
    if not good:
        raise ValueError(f"{name}={value!r}: must be {allowed}")


def check_all(generator):
    """Refuses what Keras refuses when a generator is made, and what it would take and do wrong.

    Raises:
      ValueError: naming the argument, its value and what is allowed. ImportError: SciPy is needed and missing.
    """
    g = generator
    check("data_format", g.data_format, g.data_format in FORMATS, " or ".join(map(repr, FORMATS)))
    check("draws", g.draws, g.draws in DRAWS, "None or 'keras'")
    for name in ("rotation_range", "shear_range", "channel_shift_range", "cval", "zca_epsilon"):
        value = getattr(g, name)
        check(name, value, number(value) or value is None and name in ("rotation_range", "shear_range"),
              "a finite number")
    for name in ("width_shift_range", "height_shift_range"):
        _check_shift(name, getattr(g, name))
    low, high = g.zoom_range
    check("zoom_range", [low, high], number(low) and number(high) and 0 <= low <= high,
          "factors of at least 0, the lower one first")
    if g.brightness_range is not None:
        check("brightness_range", g.brightness_range, pair(g.brightness_range) and 0 <= g.brightness_range[0]
              <= g.brightness_range[1], "a pair (low, high) of factors of at least 0, the lower one first")
    for name in ("horizontal_flip", "vertical_flip", "featurewise_center", "samplewise_center",
                 "featurewise_std_normalization", "samplewise_std_normalization", "zca_whitening"):
        check(name, getattr(g, name), isinstance(getattr(g, name), (bool, np.bool_, Real)), "True or False")
    check("rescale", g.rescale, g.rescale is None or number(g.rescale), "None or a finite number")
    check("preprocessing_function", g.preprocessing_function,
          not g.preprocessing_function or callable(g.preprocessing_function), "None or a function of one image")
    check("validation_split", g._validation_split, not g._validation_split or (
        number(g._validation_split) and 0 < g._validation_split < 1), "0, or between 0 and 1")
    check("fill_mode", g.fill_mode, g.fill_mode in SCIPY_FILL_MODES, "one of " + ", ".join(SCIPY_FILL_MODES))
    check("dtype", g.dtype, _is_dtype(g.dtype), "a type of numbers")
    check("interpolation_order", g.interpolation_order, g.interpolation_order in range(6), "0 to 5")
    if needs_scipy(g) and not importlib.util.find_spec("scipy"):
        raise ImportError(f"interpolation_order={g.interpolation_order}, fill_mode={g.fill_mode!r}: without SciPy "
                          f"there are orders 0 and 1 and the modes {', '.join(FILL_MODES)}; pip install scipy")


def needs_scipy(generator):
    return generator.interpolation_order > 1 or generator.fill_mode not in FILL_MODES


def zoom_factors(zoom_range):
    """The pair that `zoom_range` stands for, as a list. Raises ValueError where it is neither a number nor a pair."""
    if isinstance(zoom_range, Real):
        return [1 - zoom_range, 1 + zoom_range]
    check("zoom_range", zoom_range, pair(zoom_range), "a number, or a pair (low, high) of factors")
    return [zoom_range[0], zoom_range[1]]


def imply(generator):
    """Turns on what other arguments imply, and off what they exclude, with a warning each, as Keras does."""
    g = generator
    given = g.featurewise_center, g.featurewise_std_normalization
    if g.zca_whitening and not given[0]:
        _implied(g, "zca_whitening", "featurewise_center", True)
    if g.zca_whitening and given[1]:
        _implied(g, "zca_whitening", "featurewise_std_normalization", False)
    if given[1] and not given[0]:
        _implied(g, "featurewise_std_normalization", "featurewise_center", True)
    if g.samplewise_std_normalization and not g.samplewise_center:
        _implied(g, "samplewise_std_normalization", "samplewise_center", True)


def check_reach(generator, height, width):
    """Refuses shifts by pixels that always or at times move an image of this size out of view."""
    # What is called height moves columns, and what is called width rows: as in Keras.
    for name, length in (("height_shift_range", width), ("width_shift_range", height)):
        value = getattr(generator, name)
        if value is None or not np.size(value) or np.max(value) < 1:
            continue
        farthest = np.max(np.abs(value)) - (isinstance(value, (int, np.integer)))
        check(name, value, farthest < length, f"less than the {length} pixels that it moves along, in images of "
              f"{height}×{width}; a share of the size is below 1")


def number(value):
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def whole(value):
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def pair(value):
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(map(number, value))


def _check_shift(name, value):
    if value is None:
        return  # as Keras takes it: none
    if isinstance(value, (list, tuple, np.ndarray)):
        check(name, value, all(map(number, value)), "a number, or a list of finite numbers")
    else:
        check(name, value, number(value) and (value >= 0 or isinstance(value, float) and value > -1),
              "a number of at least 0, or a list of numbers")


def _is_dtype(value):
    try:
        return np.dtype(value).kind in "iuf"
    except TypeError:
        return False


def _implied(generator, by, what, value):
    setattr(generator, what, value)
    warnings.warn(f"{by} sets {what}={value}", stacklevel=4)
