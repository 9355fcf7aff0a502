"""Images without labels, as predict takes them: one file, an archive of some, or an array of them, damaged."""
import gzip
import io

import numpy as np
from PIL import Image

from tests.fuzzing.mutation import mutated
from tests.support.files_of_cifar import packed, zipped

FORMATS = [("png", "PNG"), ("jpg", "JPEG"), ("bmp", "BMP"), ("gif", "GIF"), ("webp", "WEBP"), ("tif", "TIFF")]


def of_image(rng):
    ending, data = _image(rng)
    return {f"new.{ending}": mutated(data, rng, rng.choice([0.2, 1]))}


def of_images(rng):
    """The archive may be damaged, or an image in it."""
    made = [_image(rng) for _ in range(3)]
    files = {f"{number}.{ending}": data for number, (ending, data) in enumerate(made)}
    ending = str(rng.choice(["zip", "tar", "tar.gz", "npz"]))
    if rng.random() < 0.4:
        first = next(iter(files))
        files[first] = mutated(files[first], rng)
    if ending == "npz":
        array = io.BytesIO()
        np.save(array, rng.integers(0, 256, (3, 9, 7, 3), np.uint8))
        data = zipped({"x.npy": array.getvalue()})
    elif ending == "zip":
        data = zipped(files)
    else:
        data = packed(files, mode="w")
        data = gzip.compress(data, mtime=0) if ending == "tar.gz" else data
    return {f"new.{ending}": mutated(data, rng) if rng.random() < 0.7 else data}


def _image(rng):
    """An image file's ending and bytes."""
    ending, form = FORMATS[rng.integers(len(FORMATS))]
    stream = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (9, 7, 3), np.uint8)).save(stream, form)
    return ending, stream.getvalue()
