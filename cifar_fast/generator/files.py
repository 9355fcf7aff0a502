"""`flow_from_directory` and `flow_from_dataframe`: batches from image files."""
import logging
import os

import keras
import numpy as np

from cifar_fast.data.decode import RESAMPLE
from cifar_fast.generator import arguments, batches, listing
from cifar_fast.generator.iterator import Iterator
from cifar_fast.generator.store import MODES, Store
from cifar_fast.system.streams import say

MEMORY_SHARE = 0.4  # of the memory that is free: a training and a validation set together leave some


class _FilesIterator(Iterator):
    """What both share: how files become batches.

    Attributes: `filepaths`, `filenames`, `samples`, `image_shape`, `labels`, and those of the arguments.
    """

    def _set_processing(self, generator, target_size, color_mode, data_format, save_to_dir, save_prefix, save_format,
                        subset, interpolation, keep_aspect_ratio, class_mode, dtype, memory_share):
        g = self.image_data_generator = generator
        arguments.check("target_size", target_size, len(target_size) == 2 and all(
            arguments.whole(n) and n >= 1 for n in target_size), "(height, width), in pixels")
        for name, value, known in (("color_mode", color_mode, MODES), ("interpolation", interpolation, RESAMPLE),
                                   ("class_mode", class_mode, self.allowed_class_modes),
                                   ("subset", subset, (None, "training", "validation"))):
            arguments.check(name, value, value in known, "one of " + ", ".join(map(repr, known)))
        arguments.check("memory_share", memory_share, arguments.number(memory_share) and 0 <= memory_share <= 1,
                        "from 0 to 1")
        self.target_size, self.color_mode = tuple(target_size), color_mode
        self.data_format, self.dtype = data_format or g.data_format, dtype or g.dtype
        channels = {"grayscale": 1, "rgb": 3, "rgba": 4}[color_mode]
        self.image_shape = ((channels, *self.target_size) if self.data_format == "channels_first" else
                            (*self.target_size, channels))
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        self.interpolation, self.keep_aspect_ratio = interpolation, keep_aspect_ratio
        self.class_mode, self.subset, self.memory_share = class_mode, subset, memory_share
        share = g._validation_split
        self.split = {None: None, "validation": (0, share), "training": (share, 1)}[subset]
        arguments.check_reach(g, *self.target_size)

    def _start(self, found, batch_size, shuffle, seed):
        """Begins, once the files are known."""
        self.samples = len(self.filenames)
        self._filepaths = [os.path.join(self.directory, name) for name in self.filenames]
        super().__init__(self.samples, batch_size, shuffle, seed, self.image_data_generator.draws)
        self._store = Store(self._filepaths, self.target_size, self.color_mode, self.interpolation,
                            self.keep_aspect_ratio, self.data_format == "channels_first", self.memory_share)
        _say(found)
        size = f"{self._store.needed / 1e9:.2f} GB decoded"
        _say(f"They are kept in memory, {size}." if self._store.images is not None else
             f"They are read anew each epoch: {size} are more than memory_share={self.memory_share} of the "
             f"{self._store.free / 1e9:.2f} GB that are free.")

    @property
    def filepaths(self):
        """The files' paths, a list."""
        return self._filepaths

    def _batch(self, index, random):
        # Keras reads files as its floats, and makes them `dtype` at the end.
        make = batches.draw(self.image_data_generator, self.image_shape, len(index), keras.config.floatx(), random)

        def whole():
            batch = make(*self._store.take(index)).astype(self.dtype, copy=False)
            self._save(batch, index, 10**7)
            if self.class_mode is None:
                return batch
            given = () if self.sample_weight is None else (self.sample_weight[index],)
            return batch, self._labels(index, batch), *given

        return whole

    def _labels(self, index, batch):
        if self.class_mode == "input":
            return batch.copy()
        if self.class_mode == "multi_output":
            return [output[index] for output in self.labels]
        if self.class_mode == "raw":
            return self.labels[index]
        chosen = [self.classes[number] for number in index]
        if self.class_mode != "categorical":
            return np.array(chosen, self.dtype)
        labels = np.zeros((len(index), len(self.class_indices)), self.dtype)
        for row, classes in enumerate(chosen):  # one, or a list of several
            labels[row, classes] = 1
        return labels


class DirectoryIterator(_FilesIterator):
    """Batches of a directory's images: what ImageDataGenerator.flow_from_directory returns, which see.

    Attributes: `classes`, int32 [N]; `class_indices`, their numbers by name; `num_classes`.
    """

    allowed_class_modes = ("categorical", "binary", "sparse", "input", None)
    sample_weight = None

    def __init__(self, directory, image_data_generator, target_size=(256, 256), color_mode="rgb", classes=None,
                 class_mode="categorical", batch_size=32, shuffle=True, seed=None, data_format=None, save_to_dir=None,
                 save_prefix="", save_format="png", follow_links=False, subset=None, interpolation="nearest",
                 keep_aspect_ratio=False, dtype=None, *, memory_share=MEMORY_SHARE):
        self._set_processing(image_data_generator, target_size, color_mode, data_format, save_to_dir, save_prefix,
                             save_format, subset, interpolation, keep_aspect_ratio, class_mode, dtype, memory_share)
        self.directory = directory
        names = listing.class_names(directory, classes)
        if class_mode == "binary" and len(names) > 2:
            raise ValueError(f"class_mode='binary': {directory} has {len(names)} classes; it is for 2")
        self.num_classes, self.class_indices = len(names), {name: number for number, name in enumerate(names)}
        files = listing.files_of(directory, names, self.split, follow_links)
        self.filenames = [name for of_class in files for name in of_class]
        if not self.filenames:
            raise listing.NoImages(
                f"{directory}: no images{f' for subset={subset!r}' if subset else ''} in its {len(names)} folders; "
                f"expected files of {', '.join(listing.FORMATS)} in a folder for each class")
        self.classes = np.repeat(np.arange(len(names), dtype=np.int32), [len(of_class) for of_class in files])
        found = f"Found {len(self.filenames)} images belonging to {len(names)} classes."
        self._start(found, batch_size, shuffle, seed)

    @property
    def labels(self):
        """The images' classes."""
        return self.classes


class DataFrameIterator(_FilesIterator):
    """Batches of a table's images: what ImageDataGenerator.flow_from_dataframe returns, which see.

    Attributes: where there are classes `classes`, a list of numbers, or of lists of them, and `class_indices`, their
    numbers by name; `sample_weight`, or None.
    """

    allowed_class_modes = ("binary", "categorical", "input", "multi_output", "raw", "sparse", None)

    def __init__(self, dataframe, directory=None, image_data_generator=None, x_col="filename", y_col="class",
                 weight_col=None, target_size=(256, 256), color_mode="rgb", classes=None, class_mode="categorical",
                 batch_size=32, shuffle=True, seed=None, data_format="channels_last", save_to_dir=None, save_prefix="",
                 save_format="png", subset=None, interpolation="nearest", keep_aspect_ratio=False, dtype="float32",
                 validate_filenames=True, *, memory_share=MEMORY_SHARE):
        self._set_processing(image_data_generator, target_size, color_mode, data_format, save_to_dir, save_prefix,
                             save_format, subset, interpolation, keep_aspect_ratio, class_mode, dtype, memory_share)
        self.directory = directory or ""
        rows = listing.Rows(dataframe, self.directory, x_col, y_col, weight_col, classes, class_mode,
                            validate_filenames)
        if self.split:
            rows.part(self.split)
        if not rows.names:
            raise listing.NoImages(f"dataframe: none of its {len(dataframe)} rows"
                                   f"{f' for subset={subset!r}' if subset else ''} names an image file in "
                                   f"{self.directory or 'the working directory'} by x_col={x_col!r}")
        self.filenames = rows.names
        self._sample_weight = np.asarray(dataframe[weight_col])[rows.kept] if weight_col else None
        found = f"Found {len(rows.names)} {'validated' if validate_filenames else 'non-validated'} image filenames"
        if rows.classes is not None:
            self.class_indices = {name: number for number, name in enumerate(rows.classes)}
            self.num_classes = len(rows.classes)
            self.classes = [self.class_indices[label] if isinstance(label, str) else
                            [self.class_indices[name] for name in label] for label in rows.labels]
            found += f" belonging to {len(rows.classes)} classes"
        elif class_mode == "multi_output":
            self._targets = [np.array(list(dataframe[name]))[rows.kept] for name in y_col]
        elif class_mode == "raw":
            self._targets = np.asarray(dataframe[y_col])[rows.kept]
        self._start(f"{found}.", batch_size, shuffle, seed)

    @property
    def labels(self):
        """The images' classes, or what the columns of labels hold."""
        return self._targets if self.class_mode in ("multi_output", "raw") else self.classes

    @property
    def sample_weight(self):
        return self._sample_weight


def _say(message):
    """As Keras says what it found."""
    if keras.config.is_interactive_logging_enabled():
        say(message)
    else:
        logging.getLogger(__name__).info(message)
