"""Some of the images of a memory map, which may be larger than the memory."""
import numpy as np


class Rows:
    """Rows of an array that stay where they lie: `len`, and an index, a slice or an array of places, as of an array.

    Attributes: shape, dtype, ndim, nbytes.
    """

    def __init__(self, array, rows):
        """rows: int64 [n], which rows of the array [N, …] these are."""
        self.array, self.rows = array, rows
        self.shape, self.dtype, self.ndim = (len(rows), *array.shape[1:]), array.dtype, array.ndim
        self.nbytes = len(rows) * array.dtype.itemsize * int(np.prod(array.shape[1:]))

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, places):
        return self.array[self.rows[places]]

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[:], dtype)


def chosen(images, rows):
    """images[rows] for a slice or an int array: a copy or a view of what is in memory, `Rows` of what is not."""
    if isinstance(images, Rows):
        return Rows(images.array, images.rows[rows])
    if isinstance(images, np.memmap) and not isinstance(rows, slice):
        return Rows(images, rows)
    return images[rows]


def contiguous(images):
    """The images in C order; what is not in memory is left there."""
    return images if isinstance(images, Rows | np.memmap) else np.ascontiguousarray(images)
