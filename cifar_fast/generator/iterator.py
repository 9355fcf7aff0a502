"""The iterators' common part: which examples come next, in what order, and what each draw depends on.

A batch's draws depend on (seed, epoch, batch's number, how often it was asked for in this epoch) alone, by a generator
that counts (Philox), so they are the same whatever the number of workers and new each time. With draws="keras" they are
those of NumPy's global generator, seeded as Keras seeds it.
"""
import os
import threading

import keras
import numpy as np

from cifar_fast.generator.listing import FORMATS


class Iterator(keras.utils.PyDataset):
    """Batches of n examples without end, for `fit`, `evaluate`, `predict` and loops of one's own.

    Args:
      n: how many examples. batch_size: of them a batch; the last one of an epoch may be shorter. shuffle: whether each
        epoch has an order of its own. seed: an integer of at least 0; None takes NumPy's global generator.
      draws: "keras" for Keras's own numbers, None for the same distributions at once.
      kwargs: `workers`, `use_multiprocessing` and `max_queue_size` of a PyDataset.
    """

    white_list_formats = FORMATS

    def __init__(self, n, batch_size, shuffle, seed, draws=None, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
            raise ValueError(f"batch_size={batch_size!r}: must be a whole number of at least 1")
        self.n, self.batch_size, self.shuffle, self.seed, self.draws = n, batch_size, shuffle, seed, draws
        self.batch_index = 0
        self.total_batches_seen = 0
        self.index_array = None
        self.lock = threading.RLock()
        self.epoch = -1
        self._asked = {}  # by a batch's number: how often in this epoch

    def __len__(self):
        return -(-self.n // self.batch_size)

    def __getitem__(self, idx):
        if not -len(self) <= idx < len(self):
            raise ValueError(f"batch {idx}: there are {len(self)}")
        idx %= len(self)
        with self.lock:
            self._seed()
            self.total_batches_seen += 1
            if self.index_array is None:
                self._set_index_array()
            make = self._prepare(idx, self.index_array[self.batch_size * idx:self.batch_size * (idx + 1)])
        return make()  # outside of the lock: workers make batches at the same time

    def __iter__(self):
        return self

    def __next__(self):
        with self.lock:
            self._seed()
            if self.batch_index == 0:
                self._set_index_array()
            number = self.batch_index
            index = self.index_array[self.batch_size * number:self.batch_size * (number + 1)]
            self.batch_index = number + 1 if self.batch_size * (number + 1) < self.n else 0
            self.total_batches_seen += 1
            make = self._prepare(number, index)
        return make()

    def __getstate__(self):  # for workers that are processes of their own
        return {name: value for name, value in vars(self).items() if name != "lock"}

    def __setstate__(self, state):
        vars(self).update(state, lock=threading.RLock())

    def on_epoch_end(self):
        with self.lock:
            self._set_index_array()

    def reset(self):
        """Lets `next` begin a new epoch."""
        self.batch_index = 0

    def dataset(self):
        """The batches that `next` gives, as a tf.data.Dataset of one epoch with prefetching; iterated again it goes on
        with the next epoch. Lists of inputs come as tuples."""
        from cifar_fast.generator import dataset
        return dataset.of(self)

    def _seed(self):
        """As Keras does, in any case: users' own functions may draw from it, too."""
        if self.seed is not None:
            np.random.seed(self.seed + self.total_batches_seen)

    def _set_index_array(self):
        self.epoch += 1
        self._asked.clear()
        if self.draws != "keras":
            self._entropy = np.random.randint(1 << 31) if self.seed is None else self.seed
        if not self.shuffle:
            self.index_array = np.arange(self.n)
        elif self.draws == "keras":
            self.index_array = np.random.permutation(self.n)
        else:
            self.index_array = self._random(0, 0, 0, 1).permutation(self.n)

    def _random(self, *counter):
        """A generator of this epoch's numbers from a place on, which four whole numbers name, the last first."""
        return np.random.Generator(np.random.Philox(key=[self._entropy, self.epoch], counter=counter))

    def _prepare(self, number, index):
        """Draws for a batch. Returns the function that makes it."""
        asked = self._asked[number] = self._asked.get(number, 0) + 1
        return self._batch(index, lambda: self._random(0, number, asked, 0))

    def _batch(self, index, random):
        """A function that makes the batch of some examples, whose draws are done. index: int [B]. random: a function
        that gives a numpy.random.Generator of this batch."""
        raise NotImplementedError

    def _save(self, images, index, most):
        """Writes a batch's images to save_to_dir, if there is one, named as Keras names them. index: their numbers.
        most: how many values the random number in a name may have."""
        if not self.save_to_dir:
            return
        for image, number in zip(images, index, strict=True):
            name = f"{self.save_prefix}_{number}_{np.random.randint(most)}.{self.save_format}"
            picture = keras.utils.array_to_img(image, self.data_format, scale=True)
            picture.save(os.path.join(self.save_to_dir, name))
