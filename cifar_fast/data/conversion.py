"""Images and labels as people store them, to uint8 and int32: whatever can mean one thing only is taken.

What can't is refused with the line of NumPy that makes it so.
"""
import numpy as np

from cifar_fast.errors import UserError

WHOLE = 1e-3  # how far from a whole number a pixel may be; float16 rounds by more


def images(arrays, where):
    """Training and test images, or one file's, to uint8.

    Args:
      arrays: of numbers, [N, H, W, C], [N, C, H, W] or [N, H, W] for gray ones. Floats are in [0, 1] or [0, 255] and
        stand for whole grey levels; which of the two, all of the arrays decide. where: for messages.
    Returns:
      uint8 arrays [N, H, W, C].
    Raises:
      UserError: no images of at least 4×4 pixels in up to 4 channels, or values that stand for no grey levels.
    """
    arrays = [_channels_last(array, where) for array in arrays]
    floats = [array for array in arrays if array.dtype.kind == "f"]
    scale = 255 if all(array.max() <= 1 for array in floats) else 1
    return [_levels(array, scale, where) for array in arrays]


def _channels_last(array, where):
    shape = array.shape
    if array.dtype.kind in "iuf" and array.ndim == 3:
        array = array[..., None]
    elif array.ndim == 4 and shape[3] > 4 >= shape[1]:
        array = array.transpose(0, 2, 3, 1)
    if array.dtype.kind not in "iuf" or array.ndim != 4 or not 1 <= array.shape[3] <= 4 or min(array.shape[1:3]) < 4:
        remedy = ": as CIFAR has them, x.reshape(-1, 3, 32, 32)" if len(shape) == 2 and shape[1] == 3072 else ""
        raise UserError(f"{where}: images are {array.dtype} {shape}; expected uint8 [N, H, W, C] of at least 4×4 "
                        f"pixels in up to 4 channels{remedy}")
    if not len(array):
        raise UserError(f"{where}: no images; expected at least one")
    return array


def _levels(array, scale, where):
    """The grey levels that an array's numbers stand for; scale: what floats are multiplied by."""
    if array.dtype == np.uint8:
        return array
    low, high, levels = float(array.min()), float(array.max()), None
    if array.dtype.kind != "f" and 0 <= low and high <= 255:
        levels = array.astype(np.uint8)
    if array.dtype.kind == "f" and 0 <= low and high * scale <= 255:  # false for a NaN
        array = array * array.dtype.type(scale)
        levels, whole = array.round().astype(np.uint8), WHOLE + 255 * np.finfo(array.dtype).eps
        levels = levels if np.abs(array - levels).max() <= whole else None
    if levels is None:
        raise UserError(f"{where}: images are {array.dtype} from {low:g} to {high:g}; expected uint8 from 0 to 255; "
                        f"{_remedy(array.dtype.kind == 'f', low, high)}")
    return levels


def _remedy(floats, low, high):
    if not np.isfinite(low) or not np.isfinite(high):
        return "there is a NaN or an infinity among them, find out why"
    scaled = next((text for (first, last), text in (
        ((0, 1), "x * 255"), ((-1, 1), "(x + 1) * 127.5"), ((0, 255), "x"), ((0, 65535), "x / 257"))
        if first <= low and high <= last), None)
    if scaled:
        return f'x = ({scaled}).round().astype("uint8")'
    return ('undo the standardization: x = (x * deviation + mean).round().astype("uint8")' if floats else
            'x = ((x - low) * 255.0 / (high - low)).round().astype("uint8"), with what is black and white')


def labels(values, classes, where):
    """Labels to int32 [N].

    Args:
      values: whole numbers [N] or [N, 1], integers or floats; or one-hot [N, classes]. classes: how many there are.
      where: for messages.
    Raises:
      UserError: anything else, or a label that is no class.
    """
    shape = values.shape
    if values.ndim == 2 and shape[1] == classes > 1 and values.dtype.kind in "biuf":
        if not (((values == 0) | (values == 1)).all() and (values.sum(1) == 1).all()):
            raise UserError(f"{where}: labels are {values.dtype} {shape} and not one-hot, a single 1 in each row; "
                            "expected integers, one an image: y = y.argmax(1)")
        return values.argmax(1).astype(np.int32)
    if values.dtype.kind not in "iuf" or values.size != (shape[0] if shape else 0):
        raise UserError(f"{where}: labels are {values.dtype} {shape}; expected integers [N], one an image, or one-hot "
                        f"[N, {classes}]")
    values = values.reshape(-1)
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (values == np.rint(values)).all()):
        raise UserError(f"{where}: labels are {values.dtype} and not whole numbers; expected integers from 0 to "
                        f"{classes - 1}")
    if len(values) and not (0 <= values.min() and values.max() < classes):
        bad = values[(values < 0) | (values >= classes)][0]
        from_one = ": y = y - 1" if values.min() == 1 and values.max() == classes else ""
        raise UserError(f"{where}: has the label {bad:g}; expected 0 to {classes - 1}{from_one}, or another --dataset")
    return values.astype(np.int32)
