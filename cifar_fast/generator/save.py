"""`save_to_dir`: the batches' images as files, for a look at what a generator makes of them."""
import os

import keras
import numpy as np


def images(iterator, batch, index, most):
    """Writes a batch's images, named as Keras names them. index: their numbers; most: of a random number's values."""
    for image, number in zip(batch, index, strict=True):
        name = f"{iterator.save_prefix}_{number}_{np.random.randint(most)}.{iterator.save_format}"
        picture = keras.utils.array_to_img(image, iterator.data_format, scale=True)
        picture.save(os.path.join(iterator.save_to_dir, name))
