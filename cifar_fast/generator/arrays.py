"""`flow`: batches from images in memory, kept as they came."""
import warnings

import numpy as np

from cifar_fast.generator import arguments, batches, transform
from cifar_fast.generator.iterator import Iterator


class NumpyArrayIterator(Iterator):
    """Batches of an array of images: what ImageDataGenerator.flow returns, which see.

    Attributes: `x`, uint8 if it came so, else of `dtype`; `x_misc`, other inputs; `y` and `sample_weight`, or None.
    """

    def __init__(self, x, y, image_data_generator, batch_size=32, shuffle=False, sample_weight=None, seed=None,
                 data_format=None, save_to_dir=None, save_prefix="", save_format="png", subset=None,
                 ignore_class_split=False, dtype=None):
        g = self.image_data_generator = image_data_generator
        self.data_format, self.dtype = data_format or g.data_format, dtype or g.dtype
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        others = []
        if isinstance(x, (tuple, list)):
            if len(x) != 2:
                raise ValueError(f"x: a {type(x).__name__} of {len(x)}; expected images and others")
            x, others = x
            others = [np.asarray(other) for other in (others if isinstance(others, list) else [others])]
        for name, values in (("y", y), ("sample_weight", sample_weight), *(("x[1]", other) for other in others)):
            if values is not None and len(values) != len(x):
                raise ValueError(f"{name}: {len(values)} for {len(x)} images of x; expected as many")
        part = _part(subset, g._validation_split, len(x), None if ignore_class_split else y)
        self.x = _images(x[part], self.dtype)
        self.x_misc = [other[part] for other in others]
        self.y = None if y is None else np.asarray(y[part])
        self.sample_weight = None if sample_weight is None else np.asarray(sample_weight[part])
        height, width, channels = transform.sizes(g, self.x.shape[1:])
        if channels not in (1, 3, 4):
            warnings.warn(f"x of shape {self.x.shape}: {channels} channels in data_format {self.data_format!r}; "
                          "expected 1, 3 or 4", stacklevel=3)
        arguments.check_reach(g, height, width)
        super().__init__(len(self.x), batch_size, shuffle, seed, g.draws)

    def _batch(self, index, random):
        make = batches.draw(self.image_data_generator, self.x.shape[1:], len(index), self.dtype, random)

        def whole():
            images = make(self.x, index)
            self._save(images, index, 10**4)
            inputs = [images, *(other[index] for other in self.x_misc)] if self.x_misc else images
            if self.y is None:
                return inputs
            given = () if self.sample_weight is None else (self.sample_weight[index],)
            return inputs, self.y[index], *given

        return whole


def _part(subset, share, count, y):
    """The slice of a subset. y: the labels, of which both subsets must have all, or None."""
    if subset is None:
        return slice(None)
    arguments.check("subset", subset, subset in ("training", "validation"), "'training' or 'validation'")
    split = int(count * share)
    if y is not None and not np.array_equal(np.unique(y[:split]), np.unique(y[split:])):
        raise ValueError(f"subset={subset!r}: training and validation have different classes; shuffle the images and "
                         "labels, which seem to be sorted, beforehand, or set ignore_class_split")
    return slice(split) if subset == "validation" else slice(split, None)


def _images(x, dtype):
    """Images as they came where that loses nothing, else as Keras keeps them, of the dtype."""
    x = np.asarray(x)
    keep = x.dtype in (np.uint8, bool) and np.dtype(dtype).kind == "f"
    x = np.ascontiguousarray(x.view(np.uint8) if keep else np.asarray(x, dtype))
    if x.ndim != 4 or not x.size:
        raise ValueError(f"x of shape {x.shape}: must be images of four dimensions, at least one")
    return x
