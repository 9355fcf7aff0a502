"""Image files to uint8 arrays: the pixels that keras.utils.load_img gives, many files at a time on all cores.

Pillow decodes and resizes, as it does for Keras (keras/src/utils/image_utils.py), or libjpeg-turbo without it, for the
same pixels (`jpeg`). Both let go of Python's lock meanwhile, so threads are enough.
"""
import functools
import logging
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image, ImageOps

from cifar_fast.data import jpeg
from cifar_fast.errors import short
from cifar_fast.system import processor

# What Pillow logs of a damaged file is in the exception, too; without a handler Python would print it.
logging.getLogger("PIL").addHandler(logging.NullHandler())

RESAMPLE = {name: Image.Resampling[name.upper()]
            for name in ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")}
CHANNELS = {"L": 1, "RGB": 3, "RGBA": 4}
FITS = ("stretch", "crop", "pad")
# Pictures and nothing else: for others of Pillow's formats it would start other programs.
FORMATS = ("PNG", "JPEG", "BMP", "DIB", "PPM", "TIFF", "GIF", "WEBP", "AVIF", "JPEG2000", "TGA", "ICO")
SIDE = 1 << 15  # pixels; to make millions of rows a few takes Pillow long
BLOCK = 16  # images that a thread takes at a time


class DamagedImage(ValueError, OSError):
    """A file that holds no whole image; its name is in the message. OSError is what Pillow, and so Keras, raises."""


def decode(source, size=None, mode="RGB", resample="nearest", fit="stretch", deep=False, draft=False, most=None):
    """Decodes one image.

    Args:
      source: a path, or a file object opened for bytes (which may have a `name`).
      size: (height, width) to bring it to; None leaves it.
      mode: "RGB", "RGBA" or "L" (grey).
      resample: how a size is changed: "nearest", "bilinear", "bicubic", "hamming", "box" or "lanczos".
      fit: "stretch" takes the whole image; "crop" the largest part about its centre of the size's aspect ratio, as
        Keras's keep_aspect_ratio does; "pad" fits the whole image in and makes the rest black.
      deep: leave the grey levels of files with 16 or 32 bits as they are in mode "L", as Keras does.
      draft: decode a JPEG at a half, a quarter or an eighth of its size where that is still at least `size`: much
        faster for photographs that become small, each pixel a mean over others, and not quite the same pixels.
      most: how many pixels a file may declare, with at most `SIDE` a side; None for Pillow's limit against
        decompression bombs, twice `PIL.Image.MAX_IMAGE_PIXELS`.
    Returns:
      uint8 [height, width, 1, 3 or 4]; where `deep` finds such a file int32.
    Raises:
      DamagedImage (a ValueError): the file is no whole image, or declares too many pixels. Nothing is allocated for
        those.
      OSError: it can't be read.  ValueError: another argument is wrong.
    """
    return looked_at(source, size, mode, resample, fit, deep, draft, most)[1]


def looked_at(source, size=None, mode="RGB", resample="nearest", fit="stretch", deep=False, draft=False, most=None):
    """What `look` and `decode` give, as a pair; the file is opened once."""
    _check(size, mode, resample, fit)
    if isinstance(source, (str, bytes, os.PathLike)):
        with open(os.fsdecode(source), "rb") as file:
            return looked_at(file, size, mode, resample, fit, deep, draft, most)
    if found := jpeg.decoded(source, mode, size if draft else None, most):
        looks, pixels = found
        return looks, pixels if size in (None, pixels.shape[:2]) else converted(pixels, size, mode, resample, fit)

    def work(image):
        looks = _looks(image)
        if draft and size:
            image.draft(mode, size[::-1])
        grey = deep and mode == "L" and image.mode in ("I;16", "I")
        image = _resized(image if image.mode == mode or grey else image.convert(mode), size, RESAMPLE[resample], fit)
        pixels = np.asarray(image, np.int32) if grey else np.frombuffer(image.tobytes(), np.uint8)
        return looks, pixels.reshape(image.height, image.width, CHANNELS[mode])

    return _opened(source, most, work)


def converted(array, size, mode, resample="nearest", fit="stretch"):
    """Pixels, uint8 [H, W, 1, 3 or 4], brought to a size and a mode as `decode` does."""
    image = Image.fromarray(array[..., 0] if array.shape[2] == 1 else array).convert(mode)
    return np.asarray(_resized(image, size, RESAMPLE[resample], fit)).reshape(*size, CHANNELS[mode])


def look(source, most=None):
    """What an image's header says: height, width, and "L", "LA", "RGB" or "RGBA" for whether it has colour and alpha.

    Args and errors are those of `decode`.
    """
    return _opened(source, most, _looks)


def decode_all(sources, size=None, mode="RGB", resample="nearest", fit="stretch", out=None, workers=None, report=None):
    """Decodes many images, on all cores.

    Args:
      sources: a sequence of what `decode` takes, as are size, mode, resample and fit. Without a size all images must
        have that of the first.
      out: uint8 [len(sources), height, width, channels] to write to, an array or memory map; None makes an array.
      workers: threads; None for the cores that this process may use.
      report: called with the number of images done, now and then, from this thread.
    Returns:
      out.
    Raises:
      what `decode` raises, of the first source that is wrong; ValueError: no sources, images of different sizes, or an
      `out` of another shape.
    """
    if not len(sources):
        raise ValueError("sources: no image")
    one = functools.partial(decode, mode=mode, resample=resample, fit=fit)
    _check(size, mode, resample, fit)
    shape = one(sources[0]).shape if size is None else (*size, CHANNELS[mode])
    out = np.empty((len(sources), *shape), np.uint8) if out is None else out
    if out.shape != (len(sources), *shape):
        raise ValueError(f"out of shape {out.shape}: must be {(len(sources), *shape)}")

    def block(start):
        for place in range(start, min(start + BLOCK, len(sources))):
            image = one(sources[place], size)
            if image.shape != shape:
                raise ValueError(f"{sources[place]}: is {image.shape[0]}×{image.shape[1]}, and {sources[0]} is "
                                 f"{shape[0]}×{shape[1]}; give a size to bring all to")
            out[place] = image
        return place + 1

    with ThreadPoolExecutor(workers or processor.usable_cores()) as pool:
        try:
            for done in pool.map(block, range(0, len(sources), BLOCK)):
                if report:
                    report(done)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return out


def _check(size, mode, resample, fit):
    for name, value, known in (("mode", mode, CHANNELS), ("resample", resample, RESAMPLE), ("fit", fit, FITS)):
        if value not in known:
            raise ValueError(f"{name}={value!r}: must be one of {', '.join(known)}")
    if size is not None and (len(size) != 2 or min(size) < 1):
        raise ValueError(f"size={size!r}: must be (height, width), each at least 1")


def _opened(source, most, work):
    """What work(image) gives of an image of which the header alone is read. What Pillow raises becomes a
    DamagedImage."""
    if isinstance(source, (str, bytes, os.PathLike)):
        with open(os.fsdecode(source), "rb") as file:
            return _opened(file, most, work)
    try:
        image = Image.open(source, formats=_formats())
        if most and (image.width * image.height > most or max(image.size) > SIDE):
            raise ValueError(f"it declares {image.width}×{image.height} pixels, at most {most} are decoded, and "
                             f"{SIDE} a side")
        return work(image)
    except MemoryError:
        raise
    except Exception as error:  # of a damaged file Pillow's parsers may raise what they like
        name, why = getattr(source, "name", "a file object"), short(str(error)) or type(error).__name__
        raise DamagedImage(f"{name}: can't be read as an image ({why})") from error


def _looks(image):
    bands = image.getbands()
    clear = "A" in bands or "a" in bands or "transparency" in image.info
    grey = image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;")
    return image.height, image.width, ("L" if grey else "RGB") + "A" * clear


def _resized(image, size, resample, fit):
    if size is None or image.size == (size[1], size[0]):
        return image
    height, width = size
    if fit == "pad":
        return ImageOps.pad(image, (width, height), resample)
    if fit == "stretch":
        return image.resize((width, height), resample)
    crop = [min(image.width, image.height * width // height), min(image.height, image.width * height // width)]
    left, top = (image.width - crop[0]) // 2, (image.height - crop[1]) // 2
    return image.resize((width, height), resample, box=(left, top, left + crop[0], top + crop[1]))


@functools.cache
def _formats():
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)
