"""ImageDataGenerator: Keras's class, by its names, defaults and oddities, a batch at a time.

An old script changes its import and keeps the rest. Where the class draws, moves or standardizes one image it gives
Keras's own numbers; where it makes batches, those of the same distributions, or with draws="keras" the same numbers.
"""
import warnings

import keras
import numpy as np

from cifar_fast.generator import arguments, parameters, statistics, transform
from cifar_fast.generator.arrays import NumpyArrayIterator
from cifar_fast.generator.files import MEMORY_SHARE, DataFrameIterator, DirectoryIterator


class ImageDataGenerator:
    """Batches of images with random transforms, as keras 3.15's ImageDataGenerator makes them, faster.

    featurewise_center, featurewise_std_normalization: subtract the data's mean of each channel, divide by its standard
      deviation, both found by `fit`; samplewise_center, samplewise_std_normalization: the image's own.
    zca_whitening, zca_epsilon: ZCA whitening, found by `fit`.
    rotation_range, shear_range: up to so many degrees either way.
    width_shift_range, height_shift_range: up to this share of the size (below 1) or so many pixels; an int n for the
      whole pixels -(n - 1) … n - 1; a list of values to choose from, with either sign. As in Keras, height_shift_range
      moves sideways and width_shift_range up and down; `cifar_fast.augment.Affine` has it the right way round.
    brightness_range: (low, high) of a factor. zoom_range: z for factors in [1 - z, 1 + z], or (low, high).
    channel_shift_range: up to this much added to all values.
    fill_mode, cval: what lies outside of an image: "nearest", "constant", "reflect" or "wrap"; cval for "constant".
    horizontal_flip, vertical_flip: for half of the images.
    rescale: a factor. preprocessing_function: of one image, applied before it.
    data_format: "channels_last" or "channels_first". dtype: of the batches. None takes what keras.config says.
    validation_split: the share that subset="validation" takes.
    interpolation_order: 0 or 1; 2 to 5 by SciPy, image by image.
    draws: "keras" for Keras's own random numbers, so that for a seed each batch is Keras's.

    Raises:
      ValueError: naming the argument, its value and what is allowed. ImportError: SciPy is needed and missing.
    """

    def __init__(self, featurewise_center=False, samplewise_center=False, featurewise_std_normalization=False,
                 samplewise_std_normalization=False, zca_whitening=False, zca_epsilon=1e-6, rotation_range=0,
                 width_shift_range=0.0, height_shift_range=0.0, brightness_range=None, shear_range=0.0, zoom_range=0.0,
                 channel_shift_range=0.0, fill_mode="nearest", cval=0.0, horizontal_flip=False, vertical_flip=False,
                 rescale=None, preprocessing_function=None, data_format=None, validation_split=0.0,
                 interpolation_order=1, dtype=None, *, draws=None):
        self.featurewise_center, self.featurewise_std_normalization = featurewise_center, featurewise_std_normalization
        self.samplewise_center, self.samplewise_std_normalization = samplewise_center, samplewise_std_normalization
        self.zca_whitening, self.zca_epsilon = zca_whitening, zca_epsilon
        self.rotation_range, self.shear_range = rotation_range, shear_range
        self.width_shift_range, self.height_shift_range = width_shift_range, height_shift_range
        self.zoom_range, self.brightness_range = arguments.zoom_factors(zoom_range), brightness_range
        self.channel_shift_range = channel_shift_range
        self.fill_mode, self.cval = fill_mode, cval
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.rescale, self.preprocessing_function = rescale, preprocessing_function
        self.data_format = keras.config.image_data_format() if data_format is None else data_format
        self.dtype = keras.config.floatx() if dtype is None else dtype
        self.interpolation_order = interpolation_order
        self._validation_split = validation_split
        self.draws = draws
        self.mean = self.std = self.zca_whitening_matrix = None
        arguments.check_all(self)
        arguments.imply(self)
        # Of a batch.
        self.channel_axis, self.row_axis, self.col_axis = (
            (1, 2, 3) if self.data_format == "channels_first" else (3, 1, 2))

    def flow(self, x, y=None, batch_size=32, shuffle=True, sample_weight=None, seed=None, save_to_dir=None,
             save_prefix="", save_format="png", ignore_class_split=False, subset=None):
        """Batches of images in memory.

        Args:
          x: images [N, H, W, C] (or [N, C, H, W]) of any number type; or a pair of them and another input, or a list
            of other inputs, [N, …] each. Whole uint8 images are kept as they are.
          y: labels [N, …]. sample_weight: [N]. shuffle: whether each epoch has an order of its own.
          seed: with one a run repeats. subset: "training" or "validation", of the validation_split, whose classes must
            be the same unless ignore_class_split.
          save_to_dir, save_prefix, save_format: where to write the images of each batch, for a look at them.
        Returns:
          a NumpyArrayIterator of batches x; (x, y); or (x, y, sample_weight): NumPy arrays, x of the generator's dtype.
        Raises:
          ValueError: lengths differ, x has not four dimensions, or shifts move such images out of view.
        """
        return NumpyArrayIterator(
            x, y, self, batch_size=batch_size, shuffle=shuffle, sample_weight=sample_weight, seed=seed,
            data_format=self.data_format, save_to_dir=save_to_dir, save_prefix=save_prefix, save_format=save_format,
            ignore_class_split=ignore_class_split, subset=subset, dtype=self.dtype)

    def flow_from_directory(self, directory, target_size=(256, 256), color_mode="rgb", classes=None,
                            class_mode="categorical", batch_size=32, shuffle=True, seed=None, save_to_dir=None,
                            save_prefix="", save_format="png", follow_links=False, subset=None,
                            interpolation="nearest", keep_aspect_ratio=False, *, memory_share=MEMORY_SHARE):
        """Batches of the images in a directory of a folder for each class.

        Args:
          directory: its path. target_size: (height, width) that all images are brought to, by `interpolation`
            ("nearest", "bilinear", "bicubic", "lanczos", "box" or "hamming"), stretched or, with keep_aspect_ratio,
            cropped about the centre. color_mode: "grayscale", "rgb" or "rgba".
          classes: the classes' folders in the order of their numbers; all folders in alphabetical order if None.
          class_mode: what labels are: "categorical", one-hot [B, classes]; "binary" or "sparse", numbers [B]; "input",
            the images themselves; None, none.
          follow_links: whether links to folders are followed. subset: "training" or "validation", of each class's
            files by validation_split. The rest: as for `flow`.
          memory_share: images are decoded once and kept in memory as uint8 if they take no more than this share of what
            is free now; else they are decoded anew each epoch. 0 never keeps them.
        Returns:
          a DirectoryIterator of batches (x, y), or x.
        Raises:
          ValueError: naming an argument, or the directory that can't be read or has no images; when a batch is made,
            the file that is no whole image (see `cifar_fast.data.decode`).
        """
        return DirectoryIterator(
            directory, self, target_size=target_size, color_mode=color_mode, keep_aspect_ratio=keep_aspect_ratio,
            classes=classes, class_mode=class_mode, data_format=self.data_format, batch_size=batch_size,
            shuffle=shuffle, seed=seed, save_to_dir=save_to_dir, save_prefix=save_prefix, save_format=save_format,
            follow_links=follow_links, subset=subset, interpolation=interpolation, dtype=self.dtype,
            memory_share=memory_share)

    def flow_from_dataframe(self, dataframe, directory=None, x_col="filename", y_col="class", weight_col=None,
                            target_size=(256, 256), color_mode="rgb", classes=None, class_mode="categorical",
                            batch_size=32, shuffle=True, seed=None, save_to_dir=None, save_prefix="",
                            save_format="png", subset=None, interpolation="nearest", validate_filenames=True, *,
                            memory_share=MEMORY_SHARE, **kwargs):
        """Batches of the images that a table names.

        Args:
          dataframe: a pandas.DataFrame. directory: what its names are relative to. x_col: the column of files' names.
          y_col: the column of labels, strings; lists of strings for several classes an image; for class_mode "raw" a
            column or several of anything, for "multi_output" a list of columns, an output each.
          weight_col: the column of sample weights, or None. classes: those that count, in the order of their numbers;
            rows of others are left out.
          class_mode: as for flow_from_directory, or "multi_output" or "raw", the values as they are.
          validate_filenames: leave out, with a warning, rows whose file is not there or no image by its name.
          The rest: as for flow_from_directory. kwargs: has_ext, sort and drop_duplicates, which do nothing.
        Returns:
          a DataFrameIterator of batches x; (x, y); or (x, y, sample_weight).
        Raises:
          ValueError: naming an argument, a column that is missing, or values in it that can't be (then it is a
            TypeError, too); no row is left; when a batch is made, the file that is no whole image.
        """
        for name in kwargs:
            known = name in ("has_ext", "sort", "drop_duplicates")
            warnings.warn(f"flow_from_dataframe: {name} does nothing", DeprecationWarning if known else UserWarning,
                          stacklevel=2)
        if class_mode == "other":
            warnings.warn("class_mode='other' is now called 'raw'", DeprecationWarning, stacklevel=2)
            class_mode = "raw"
        return DataFrameIterator(
            dataframe, directory, self, x_col=x_col, y_col=y_col, weight_col=weight_col, target_size=target_size,
            color_mode=color_mode, classes=classes, class_mode=class_mode, data_format=self.data_format,
            batch_size=batch_size, shuffle=shuffle, seed=seed, save_to_dir=save_to_dir, save_prefix=save_prefix,
            save_format=save_format, subset=subset, interpolation=interpolation, validate_filenames=validate_filenames,
            dtype=self.dtype, memory_share=memory_share)

    def standardize(self, x):
        """Applies preprocessing_function, rescale, centring, normalization and whitening to an image, or to a batch as
        if it were one, in place where that can be. x: float. Returns what became of it."""
        return statistics.standardize(self, x)

    def get_random_transform(self, img_shape, seed=None):
        """Draws one image's parameters with NumPy's global generator, which it seeds if a seed is given: Keras's own
        numbers. img_shape: of the image. Returns a dict, which `apply_transform` takes."""
        if seed is not None:
            np.random.seed(seed)
        height, width, _ = transform.sizes(self, img_shape)
        return parameters.keras_draw(self, height, width)

    def apply_transform(self, x, transform_parameters):
        """Moves one image by given parameters.

        Args:
          x: [H, W, C], or [C, H, W] where that is the data_format.
          transform_parameters: a dict of theta and shear in degrees, tx and ty in pixels, zx and zy as factors of the
            region shown, flip_horizontal, flip_vertical, channel_shift_intensity and brightness; any may be missing.
        Returns:
          the image moved, Keras's pixels.
        """
        return transform.one(self, x, transform_parameters)

    def random_transform(self, x, seed=None):
        """Draws as `get_random_transform` and applies it to an image x. Returns the image moved."""
        return self.apply_transform(x, self.get_random_transform(x.shape, seed))

    def fit(self, x, augment=False, rounds=1, seed=None):
        """Finds the mean, standard deviation and whitening matrix that featurewise_center,
        featurewise_std_normalization and zca_whitening need.

        Args:
          x: images [N, H, W, C], or [N, C, H, W], which are rescaled first. augment: whether to take them transformed,
            `rounds` times each. seed: of NumPy's global generator, if given.
        Raises:
          ValueError: x has not four dimensions.
        """
        x = np.array(x, self.dtype)
        if x.ndim != 4:
            raise ValueError(f"x of shape {x.shape}: must have four dimensions")
        if x.shape[self.channel_axis] not in (1, 3, 4):
            warnings.warn(f"x of shape {x.shape}: {x.shape[self.channel_axis]} channels in data_format "
                          f"{self.data_format!r}; expected 1, 3 or 4", stacklevel=2)
        if seed is not None:
            np.random.seed(seed)
        if self.rescale:
            x *= self.rescale
        if augment:
            x = np.concatenate([np.stack([self.random_transform(image) for image in x]) for _ in range(rounds)])
        statistics.fit(self, x)

    def is_plain(self):
        """Whether no method has been replaced that would have to see each image."""
        return all(getattr(getattr(self, name), "__func__", None) is getattr(ImageDataGenerator, name)
                   for name in ("get_random_transform", "apply_transform", "standardize"))
