"""ImageDataGenerator.apply_transform in plain float64 NumPy, operation by operation, so that it can be bit-equal.

The map is Keras's (keras/src/legacy/preprocessing/image.py), the sampling SciPy's (ndimage/src/ni_interpolation.c,
order 1), brightness Pillow's.
"""
import numpy as np


def apply_transform(image, p, fill_mode, cval):
    """image: float32 [H, W, C]; p: {name: number} as Keras takes it. Returns float32 [H, W, C]."""
    rows, columns = positions(image.shape, p)
    image = sample(image, rows, columns, fill_mode, cval)
    if p.get("channel_shift_intensity") is not None:
        image = np.clip(image + np.float32(p["channel_shift_intensity"]), image.min(), image.max())
    if p.get("flip_horizontal"):
        image = image[:, ::-1]
    if p.get("flip_vertical"):
        image = image[::-1]
    return image if p.get("brightness") is None else brightness(image, p["brightness"])


def positions(shape, p):
    """Where each pixel samples the input, before flips: float64 rows and columns, each [H, W]."""
    height, width = shape[:2]
    theta, shear = np.deg2rad(p.get("theta", 0)), np.deg2rad(p.get("shear", 0))
    matrix = np.array([[np.cos(theta), -np.sin(theta), 0], [np.sin(theta), np.cos(theta), 0], [0, 0, 1]])
    matrix = np.dot(matrix, np.array([[1, 0, p.get("tx", 0)], [0, 1, p.get("ty", 0)], [0, 0, 1]]))
    matrix = np.dot(matrix, np.array([[1, -np.sin(shear), 0], [0, np.cos(shear), 0], [0, 0, 1]]))
    matrix = np.dot(matrix, np.array([[p.get("zx", 1), 0, 0], [0, p.get("zy", 1), 0], [0, 0, 1]]))
    x, y = height / 2 - 0.5, width / 2 - 0.5  # as Keras has it, though x runs along the columns in the end
    matrix = np.dot(np.dot(np.array([[1, 0, x], [0, 1, y], [0, 0, 1]]), matrix),
                    np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]]))
    (xx, xy, x0), (yx, yy, y0) = matrix[:2]
    r, c = np.arange(float(height))[:, None], np.arange(float(width))
    return r * yy + c * yx + y0, r * xy + c * xx + x0


def sample(image, rows, columns, fill_mode, cval):
    height, width = image.shape[:2]
    (r, ri), (c, ci) = fold(rows, height, fill_mode), fold(columns, width, fill_mode)
    (r0, r1, wr), (c0, c1, wc) = taps(r, height, fill_mode), taps(c, width, fill_mode)
    source, total = image.astype(np.float64), 0.0
    for row, row_weight in ((r0, 1 - wr), (r1, wr)):
        for column, column_weight in ((c0, 1 - wc), (c1, wc)):
            total = total + source[row, column] * row_weight[..., None] * column_weight[..., None]
    if fill_mode == "constant":
        total = np.where((ri & ci)[..., None], total, cval)
    return total.astype(np.float32)


def fold(position, length, fill_mode):
    """map_coordinate: the position brought back to the image, and whether it was inside."""
    last, inside = length - 1, (position >= 0) & (position <= length - 1)
    if fill_mode in ("nearest", "constant"):
        return np.clip(position, 0, last), inside
    if fill_mode == "wrap":
        left = position + last * (np.trunc(-position / last) + 1)
        right = position - last * np.trunc(position / last)
        return np.where(position < 0, left, np.where(position > last, right, position)), inside
    period = 2 * length
    left = np.where(position < -period, period * np.trunc(-position / period) + position, position)
    left = np.where(left < -length, left + period, np.where(left > -1e-15, 1e-15, -left) - 1)
    right = position - period * np.trunc(position / period)
    right = np.where(right >= length, period - right - 1, right)
    return np.where(position < 0, left, np.where(position > last, right, position)), inside


def taps(position, length, fill_mode):
    first = np.floor(position).astype(int)
    weight = position - np.floor(position)
    pair = [first, first + 1]
    if fill_mode == "reflect":  # just outside an edge: its pixel again
        pair = [np.where(t < 0, -1 - t, np.where(t >= length, 2 * length - 1 - t, t)) for t in pair]
    return *[np.clip(t, 0, length - 1) for t in pair], weight


def brightness(image, factor):
    low, high = image.min(), image.max()
    scaled = low < 0 or high > 255
    if scaled:
        image = image - low
        if image.max() != 0:
            image = image / image.max()
        image = image * np.float32(255)
    eight = image.astype(np.uint8)
    bright = np.clip(eight.astype(np.float32) * np.float32(factor), 0, 255).astype(np.uint8)
    if image.shape[2] == 4:
        bright[..., 3] = eight[..., 3]
    image = bright.astype(np.float32)
    return image / 255 * (high - low) + low if scaled else image
