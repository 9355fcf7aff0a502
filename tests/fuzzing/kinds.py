"""The kinds of inputs, each a function of a random generator: {file name: bytes}, what to write over a good data set.

Of a file that is a whole data set, the name begins with "it."; of images without labels, with "new"; of a folder
beside the good one, with "tree/". What begins with "pictures" is read as labelled images of any kind.
"""
import numpy as np

from tests.fuzzing import archives, arrays, images, pickles, pictures, trees

KINDS = {"pickle": pickles.of_pickle, "opcodes": pickles.of_opcodes, "binary": pickles.of_binary,
         "tar": archives.of_tar, "gz": archives.of_gz, "bz2": archives.of_bz2, "xz": archives.of_xz,
         "zip": archives.of_zip, "foreign": archives.of_foreign, "npz": arrays.of_npz, "npy": arrays.of_npy,
         "numbers": arrays.of_numbers, "tree": trees.of_tree, "image": images.of_image,
         "images": images.of_images, **pictures.KINDS}


def make(kind, seed, number):
    """The input of a number: made from the three alone, so that one that failed is made again."""
    return KINDS[kind](np.random.default_rng([seed, list(KINDS).index(kind), number]))
