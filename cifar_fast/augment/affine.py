"""ImageDataGenerator for a whole batch: its arguments and meanings, one resample, a pure function of the seed.

    draw parameters (one of each an image) ─► one map from output to input ─► four taps ─► channel shift, brightness

Rotation, shift, shear, zoom and flips compose into one matrix, so every pixel is interpolated once. Each image
draws its own parameters from (seed, id), see `draws`: the same in any batch, compiled or not.
"""
import math
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
import tensorflow as tf

from cifar_fast.augment import draws, kernel
from cifar_fast.augment.places import Parameters, coordinates, matrices
from cifar_fast.augment.resample import FILL_MODES, bilinear, nearest

# The column of `draws.bits` that each parameter reads. Fixed, so that no argument changes another one's draws.
COLUMNS = {name: column for column, name in enumerate((
    "theta", "tx", "ty", "flip_horizontal", "flip_vertical", "zx", "zy", "shear", "brightness",
    "channel_shift_intensity", "tx_sign", "ty_sign"))}


@dataclass(frozen=True)
class Affine:
    """Random augmentation by ImageDataGenerator's arguments: `Affine(rotation_range=30)(images, seed)`.

    rotation_range, shear_range: up to this many degrees either way.
    width_shift_range moves columns, height_shift_range rows (Keras's own swaps the two). A float below 1 is a share
      of the image's size, from 1 on pixels; an int n stands for the whole numbers -(n - 1) … n - 1 as Keras draws
      them (one of 0 … n - 1, then a sign); a list holds the values to choose from, then a sign, as shares where all
      are below 1.
    zoom_range: z for factors in [1 - z, 1 + z], or (low, high); drawn for each axis. Below 1 enlarges.
    channel_shift_range: up to this much added to all values, within the image's own minimum and maximum.
    brightness_range: (low, high) of a factor.
    horizontal_flip, vertical_flip: for half of the images.
    fill_mode: "nearest", "constant" (with cval), "reflect" or "wrap", as SciPy defines them.
    rescale: a factor for the result.
    interpolation_order: 1, bilinear, or 0, the nearest pixel: for masks, whose labels must not be blended.
    value_range: which values are black and white, (0, 1) or (0, 255), for brightness_range: the distance from black
      is multiplied, and cut at white; a fourth channel is opacity and stays. Float images need it, since what is
      white is not in them. "keras", and None for integer images, is what Keras does by way of Pillow: values are cut
      to whole numbers of 8 bits before and after, of images within 0 … 255 as they are (those in [0, 1] go black).

    Raises:
      ValueError: naming the argument, its value and what is allowed.
    """

    rotation_range: float = 0.0
    width_shift_range: float | int | tuple[float, ...] = 0.0
    height_shift_range: float | int | tuple[float, ...] = 0.0
    shear_range: float = 0.0
    zoom_range: float | tuple[float, float] = 0.0
    channel_shift_range: float = 0.0
    brightness_range: tuple[float, float] | None = None
    horizontal_flip: bool = False
    vertical_flip: bool = False
    fill_mode: str = "nearest"
    cval: float = 0.0
    rescale: float | None = None
    interpolation_order: int = 1
    value_range: tuple[float, float] | str | None = None

    def __post_init__(self):
        for name in ("rotation_range", "shear_range", "channel_shift_range"):
            _check(name, getattr(self, name), _number(getattr(self, name)) and getattr(self, name) >= 0,
                   "a finite number of at least 0")
        for name in ("width_shift_range", "height_shift_range"):
            value = getattr(self, name)
            if isinstance(value, (list, tuple, np.ndarray)):
                object.__setattr__(self, name, tuple(value))  # hashable, as a frozen record should be
                _check(name, value, len(value) and all(map(_number, value)), "a list of finite numbers")
            else:
                _check(name, value, _number(value) and value >= 0, "a number of at least 0, or a list of numbers")
        for name in ("horizontal_flip", "vertical_flip"):
            _check(name, getattr(self, name), isinstance(getattr(self, name), (bool, np.bool_)), "True or False")
        zoom = self.zoom_range
        if _number(zoom):
            _check("zoom_range", zoom, 0 <= zoom < 1, "from 0 to below 1, or a pair (low, high) of factors above 0")
        else:
            object.__setattr__(self, "zoom_range", _pair("zoom_range", zoom))
            _check("zoom_range", zoom, zoom[0] > 0, "a pair (low, high) of factors above 0")
        if self.brightness_range is not None:
            object.__setattr__(self, "brightness_range", _pair("brightness_range", self.brightness_range))
            _check("brightness_range", self.brightness_range, self.brightness_range[0] >= 0,
                   "a pair (low, high) of factors of at least 0")
        _check("fill_mode", self.fill_mode, self.fill_mode in FILL_MODES, "one of " + ", ".join(FILL_MODES))
        _check("cval", self.cval, _number(self.cval), "a finite number")
        _check("rescale", self.rescale, self.rescale is None or _number(self.rescale), "None or a finite number")
        order = self.interpolation_order
        _check("interpolation_order", order, _number(order) and order in (0, 1), "0, the nearest pixel, or 1, bilinear")
        if not (self.value_range is None or isinstance(self.value_range, str) and self.value_range == "keras"):
            allowed = 'two numbers (black, white), the lower first, or "keras"'
            object.__setattr__(self, "value_range", _pair("value_range", self.value_range, allowed))
            _check("value_range", self.value_range, self.value_range[0] < self.value_range[1], allowed)

    @tf.autograph.experimental.do_not_convert  # which takes seconds and finds nothing to convert
    def __call__(self, images, seed, ids=None):
        """Augments a batch.

        Args:
          images: uint8, float or other real numbers [B, H, W, C]; H, W and C (1 to 4) static, B may vary.
          seed: a pair of integers, see `draws`: give every epoch one of its own.
          ids: int32 [B], what names each image; its place in the batch if left out.
        Returns:
          float32 [B, H, W, C], interpolated but not rounded, on the scale of the input times `rescale`.
        Raises:
          ValueError: images of another rank, dtype or number of channels; float images where brightness is asked for
            and no value_range.
        """
        images = _images(images)
        ids = tf.range(tf.shape(images)[0]) if ids is None else ids
        if not kernel.serves(images):
            return self.transform(images, self.parameters(seed, ids, images.shape))
        p, places = _drawn(self, draws.pair(seed), tf.convert_to_tensor(ids), tuple(images.shape[1:]))
        if places is None:
            return _transformed(self, images, p)
        images = kernel.resample(images, places, self.fill_mode, self.cval, self.interpolation_order)
        changed = p.channel_shift_intensity is not None or p.brightness is not None
        return _lit(self, images, p) if changed else self._lit(images, p)

    def parameters(self, seed, ids, shape):
        """Draws `Parameters`, one of each an image. seed, ids: as for a call; shape: [B, H, W, C] of the images.
        Bit-equal compiled and not."""
        _, height, width, _ = shape
        words = tf.unstack(draws.bits(seed, ids, len(COLUMNS)), axis=1)

        def between(name, low, high):
            # float64 of factors with 24 bits: the product is exact, so a fused multiply-add changes nothing
            low, span = (np.float64(np.float32(v)) for v in (low, high - low))
            return tf.cast(tf.cast(draws.unit(words[COLUMNS[name]]), tf.float64) * span + low, tf.float32)

        def symmetric(name, limit):
            return between(name, -limit, limit) if limit else None

        def shift(name, choices, length):
            if isinstance(choices, tuple):
                values = np.array(choices) * (length if max(choices) < 1 else 1)
            elif isinstance(choices, Integral):
                values = np.arange(choices)
            else:
                return symmetric(name, choices * length if choices < 1 else choices)
            if not np.any(values):
                return None
            value = tf.gather(values.astype(np.float32), draws.scaled(words[COLUMNS[name]], len(values)))
            return tf.where(draws.scaled(words[COLUMNS[name + "_sign"]], 2) == 0, -value, value)

        def half(name, wanted):
            return draws.scaled(words[COLUMNS[name]], 2) == 0 if wanted else None

        zoom = self.zoom_range if isinstance(self.zoom_range, tuple) else (1 - self.zoom_range, 1 + self.zoom_range)
        zx, zy = (None if zoom == (1, 1) else between(name, *zoom) for name in ("zx", "zy"))
        return Parameters(
            theta=symmetric("theta", self.rotation_range),
            tx=shift("tx", self.width_shift_range, width), ty=shift("ty", self.height_shift_range, height),
            shear=symmetric("shear", self.shear_range), zx=zx, zy=zy,
            flip_horizontal=half("flip_horizontal", self.horizontal_flip),
            flip_vertical=half("flip_vertical", self.vertical_flip),
            channel_shift_intensity=symmetric("channel_shift_intensity", self.channel_shift_range),
            brightness=between("brightness", *self.brightness_range) if self.brightness_range else None)

    def transform(self, images, parameters):
        """Augments a batch by given `Parameters`: ImageDataGenerator's apply_transform, then `rescale`.

        images: as for a call. Returns float32 [B, H, W, C]; work whose parameters are None is not done.
        """
        images, p = _images(images), parameters
        if p.brightness is not None and self.value_range is None and images.dtype.is_floating:
            raise ValueError("value_range=None: brightness_range needs to know which value of float images is white; "
                             "give value_range=(0, 1) or (0, 255), or \"keras\" for what Keras does")
        if _moves(p):
            sample = bilinear if self.interpolation_order else nearest
            images = sample(images, *coordinates(p, *images.shape[1:3]), self.fill_mode, self.cval)
        else:
            images = _flipped(_flipped(images, p.flip_horizontal, 2), p.flip_vertical, 1)
        return self._lit(tf.cast(images, tf.float32), p)

    def _lit(self, images, p):
        """What is left to do to images that lie as they should, float32."""
        if p.channel_shift_intensity is not None:
            images = _channel_shift(images, p.channel_shift_intensity)
        if p.brightness is not None:
            images = (_keras_brightness(images, p.brightness) if self.value_range in (None, "keras") else
                      _brightness(images, p.brightness, *self.value_range))
        return images if self.rescale is None else images * self.rescale


def augment(images, seed, *, ids=None, **arguments):
    """`Affine(**arguments)(images, seed, ids)`: ImageDataGenerator's arguments, a batch and a seed."""
    return Affine(**arguments)(images, seed, ids)


@tf.function(jit_compile=True, autograph=False, reduce_retracing=True)
def _drawn(affine, seed, ids, shape):
    """What an `Affine` draws for images of a shape (H, W, C), and the matrices for `kernel.resample`, or None where
    nothing lies between pixels. In one program: the draws alone are 150 operations."""
    p = affine.parameters(seed, ids, (None, *shape))
    return p, matrices(p, *shape[:2]) if _moves(p) else None


@tf.function(jit_compile=True, autograph=False, reduce_retracing=True)
def _transformed(affine, images, parameters):
    """`Affine.transform` as one program."""
    return affine.transform(images, parameters)


@tf.function(jit_compile=True, autograph=False, reduce_retracing=True)
def _lit(affine, images, parameters):
    """`Affine._lit` as one program, in place of a pass over memory for each operation."""
    return affine._lit(images, parameters)


def _moves(parameters):
    """Whether there is anything to resample: flips alone move whole pixels."""
    return any(v is not None for v in parameters[:6])


def _flipped(images, flip, axis):
    return images if flip is None else tf.where(flip[:, None, None, None], tf.reverse(images, [axis]), images)


def _channel_shift(images, intensity):
    low, high = _extremes(images)
    return tf.clip_by_value(images + intensity[:, None, None, None], low, high)


def _brightness(images, factor, black, white):
    bright = tf.clip_by_value((images - black) * factor[:, None, None, None] + black, black, white)
    return tf.concat([bright[..., :3], images[..., 3:]], 3) if images.shape[3] == 4 else bright


def _keras_brightness(images, factor):
    """As Keras by way of Pillow: to 8 bits, scaled only where values leave 0 … 255; a fourth channel is opacity."""
    low, high = _extremes(images)
    scaled = (low < 0) | (high > 255)
    top = high - low
    eight = tf.where(scaled, (images - low) / tf.where(top == 0, tf.ones_like(top), top) * 255, images)
    eight = tf.floor(eight)
    bright = tf.floor(tf.clip_by_value(eight * factor[:, None, None, None], 0, 255))
    if images.shape[3] == 4:
        bright = tf.concat([bright[..., :3], eight[..., 3:]], 3)
    return tf.where(scaled, bright / 255 * top + low, bright)


def _extremes(images):
    return [reduce(images, [1, 2, 3], keepdims=True) for reduce in (tf.reduce_min, tf.reduce_max)]


def _images(images):
    images = tf.convert_to_tensor(images)
    shape = images.shape
    if shape.rank != 4 or None in shape[1:] or not 1 <= shape[3] <= 4 or 0 in shape[1:]:
        raise ValueError(f"images of shape {shape}: must be [batch, height, width, channels] with 1 to 4 channels; "
                         "only the batch may be unknown")
    if not (images.dtype.is_integer or images.dtype.is_floating):
        raise ValueError(f"images of dtype {images.dtype.name}: must be uint8, another integer or a float type")
    return images


def _check(name, value, good, allowed):
    if not good:
        raise ValueError(f"{name}={value!r}: must be {allowed}")


def _number(value):
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _pair(name, value, allowed="a pair of numbers, the lower first"):
    good = isinstance(value, (list, tuple, np.ndarray)) and len(value) == 2 and all(map(_number, value))
    _check(name, value, good and value[0] <= value[1], allowed)
    return tuple(value)
