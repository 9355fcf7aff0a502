"""Images moved by given parameters, as ImageDataGenerator.apply_transform moves one: a batch by one compiled call, or
image by image where only SciPy can.

The call is that of `kernel`, and where that was not compiled `graph`'s, by XLA.
"""
import numpy as np

from cifar_fast.generator import arguments, kernel, parameters

FLOATS = (np.float32, np.float64)
PLACE = ("theta", "tx", "ty", "shear", "zx", "zy")  # of the parameters: those that move pixels between whole ones


def serves(generator, dtype):
    """Whether `batch` can do what a generator asks for, on images of a dtype (others: `one` by one)."""
    return dtype in FLOATS and not arguments.needs_scipy(generator)


def batch(generator, images, index, drawn, dtype, rescale=None):
    """Transforms images.

    Args:
      generator: the ImageDataGenerator whose fill_mode, cval, interpolation_order and data_format count.
      images: uint8 or `dtype`, [N, H, W, C], or [N, C, H, W]. index: int [B], which to take.
      drawn: their `parameters`, arrays [B]. dtype: float32 or float64. rescale: a factor for the result, or None.
    Returns:
      dtype [B, …], an array of its own.
    """
    height, width, channels = sizes(generator, images.shape[1:])
    if drawn["brightness"] is not None:
        _check_bright(channels)
    if not kernel.LIBRARY:
        from cifar_fast.generator import graph
        return graph.batch(generator, images, index, drawn, dtype, rescale)
    planar = generator.data_format == "channels_first"
    out = np.empty((len(index), *images.shape[1:]), dtype)
    return kernel.transform(np.ascontiguousarray(images), plans(index, drawn, height, width), out, planar=planar,
                            fill_mode=generator.fill_mode, cval=generator.cval, order=generator.interpolation_order,
                            rescale=rescale)


def plans(index, drawn, height, width):
    """The kernel's orders for a batch."""
    plan = np.zeros(len(index), kernel.PLAN)
    plan["source"] = index
    plan["matrix"], moved = parameters.matrices(drawn, len(index), height, width)
    steps = kernel.RESAMPLE * moved
    for name, step in (("flip_horizontal", kernel.FLIP_COLUMNS), ("flip_vertical", kernel.FLIP_ROWS)):
        steps = steps + step * np.not_equal(drawn[name], 0)
    for name, field, step in (("channel_shift_intensity", "intensity", kernel.SHIFT_CHANNELS),
                              ("brightness", "brightness", kernel.BRIGHTEN)):
        if drawn[name] is not None:
            plan[field] = drawn[name]
            steps = steps + step
    plan["steps"] = steps
    return plan


def one(generator, image, drawn):
    """Transforms one image of any number type [H, W, C], or [C, H, W], by a dict of its parameters. What is integer
    stays integer when it is resampled, rounded as SciPy rounds it."""
    rows, columns, channels = (axis - 1 for axis in (generator.row_axis, generator.col_axis, generator.channel_axis))
    place = {name: drawn[name] for name in PLACE if name in drawn}
    if any(value != parameters.NEUTRAL[name] for name, value in place.items()):
        image = _resampled(generator, image, place, channels)
    if (intensity := drawn.get("channel_shift_intensity")) is not None:
        image = np.clip(image + intensity, image.min(), image.max())
    for name, axis in (("flip_horizontal", columns), ("flip_vertical", rows)):
        if drawn.get(name, False):
            image = np.flip(image, axis)
    if (factor := drawn.get("brightness")) is not None:
        _check_bright(image.shape[channels])
        image = _brightened(image, factor, channels)
    return image


def sizes(generator, shape):
    """Height, width and channels of an image's shape."""
    return [shape[axis - 1] for axis in (generator.row_axis, generator.col_axis, generator.channel_axis)]


def _resampled(generator, image, place, channels):
    g, drawn = generator, parameters.stacked([place])
    if not arguments.needs_scipy(g):
        sampled = batch(g, image.astype(np.float64)[None], [0], drawn, np.float64)[0]
        return sampled.astype(image.dtype) if image.dtype.kind == "f" else _whole(sampled, image.dtype)
    from scipy import ndimage
    matrix = parameters.matrices(drawn, 1, *sizes(g, image.shape)[:2])[0][0]
    planes = [ndimage.affine_transform(plane, matrix.reshape(2, 3)[:, :2], matrix[[2, 5]], order=g.interpolation_order,
                                       mode=g.fill_mode, cval=g.cval) for plane in np.moveaxis(image, channels, 0)]
    return np.stack(planes, channels)


def _whole(numbers, dtype):
    """As SciPy makes float64 integers: halves away from zero."""
    if dtype.kind == "b":
        return numbers >= 0.5  # SciPy's, what is whole of it, would hang on the last bit where all is true
    limits = np.iinfo(dtype)
    return np.clip(np.trunc(numbers + np.copysign(0.5, numbers)), limits.min, limits.max).astype(dtype)


def _brightened(image, factor, channels):
    """As Keras by way of Pillow: to 8 bits in float32, scaled only where values leave 0 … 255."""
    low, high = image.min(), image.max()
    scaled, values = low < 0 or high > 255, image.astype(np.float32)
    if scaled:
        values -= values.min()
        values = values / (values.max() or 1) * np.float32(255)
    eight = values.astype(np.uint8)
    bright = np.clip(eight * np.float32(factor), 0, 255).astype(np.uint8)
    if image.shape[channels] == 4:  # opacity stays
        opacity = (slice(None),) * channels + (slice(3, 4),)
        bright[opacity] = eight[opacity]
    bright = bright.astype(np.float32)
    return bright / 255 * (high - low) + low if scaled else bright


def _check_bright(channels):
    if channels not in (1, 3, 4):
        raise ValueError(f"brightness_range: images of {channels} channels; it is for 1, 3 or 4")
