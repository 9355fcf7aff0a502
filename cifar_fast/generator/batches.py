"""A batch of images as ImageDataGenerator makes it: drawn, transformed and standardized by one compiled call, or one by
one where users' own code or SciPy must see each."""
import numpy as np

from cifar_fast.generator import parameters, statistics, transform


def draw(generator, shape, count, dtype, random):
    """Draws for a batch.

    Args:
      generator: an ImageDataGenerator. shape: of an image in its data_format. count: B, the images of the batch.
      dtype: what is computed in. random: a function that gives a numpy.random.Generator.
    Returns:
      a function of images, uint8 or float [N, …], and of int [B], which of them to take. It returns the batch, dtype
      [B, …], and draws no more, except where the images go one by one.
    """
    dtype = np.dtype(dtype)
    if not _at_once(generator, dtype):
        return lambda images, index: _one_by_one(generator, images, index, dtype)
    height, width, _ = transform.sizes(generator, shape)
    if generator.draws == "keras":
        drawn = parameters.stacked([parameters.keras_draw(generator, height, width) for _ in range(count)])
    else:
        drawn = parameters.batch_draw(generator, random(), count, height, width)
    return lambda images, index: _whole(generator, images, index, drawn, dtype)


def takes_batches(function):
    """Whether it is a `preprocess_input` of keras.applications, which does the same to a batch as to each image."""
    function = getattr(function, "func", function)  # of a functools.partial
    module = getattr(function, "__module__", None) or ""
    return module.startswith(("keras.src.applications.", "keras.applications.")) and (
        function.__name__ == "preprocess_input")


def _at_once(generator, dtype):
    if generator.preprocessing_function and generator.draws == "keras" and not takes_batches(
            generator.preprocessing_function):
        return False  # it may draw from NumPy's generator, too, between one image and the next
    return transform.serves(generator, dtype) and generator.is_plain()


def _whole(generator, images, index, drawn, dtype):
    function, rescale = generator.preprocessing_function, generator.rescale or None
    batch = transform.batch(generator, images, index, drawn, dtype, None if function else rescale)
    if function:
        if takes_batches(function):
            batch = np.asarray(function(batch), dtype)
        else:
            for place, image in enumerate(batch):
                batch[place] = function(image)
        if rescale:
            batch *= rescale
    return statistics.by_features(generator, statistics.by_samples(generator, batch))


def _one_by_one(generator, images, index, dtype):
    batch = np.zeros((len(index), *images.shape[1:]), dtype)
    for place, number in enumerate(index):
        image = images[number].astype(dtype)
        image = generator.apply_transform(image, generator.get_random_transform(image.shape))
        batch[place] = generator.standardize(image)
    return batch
