"""Batches in the Python and the binary form: damaged, and programs of the pickle machine made up at random."""
import pickle

import numpy as np

from tests.fuzzing.mutation import mutated
from tests.support.files_of_cifar import content

PUSHES = [b"K\x01", b"N", b"\x88", b"]", b"}", b")", b"(", b"U\x02u1", b"U\x04data", b"U\x06labels", b"X\1\0\0\0a",
          b"X\3\0\0\0\xed\xa0\x80", b"J\xff\xff\xff\xff", b"\x8a\x09" + b"\xff" * 8 + b"\x7f", b"C\2ab", b"U\0",
          b"cnumpy\ndtype\n", b"cnumpy\nndarray\n", b"cnumpy.core.multiarray\n_reconstruct\n", b"cos\nsystem\n",
          b"T\x00\x0c\0\0" + b"x" * 3072, b"cbuiltins\neval\n", b"U\x0blabel_names", b"G\x7f\xf8" + b"\0" * 6,
          b"c_codecs\nencode\n",
          b"X\6\0\0\0latin1", b"X\2\0\0\0\xc3\xbf", b"cnumpy.core.multiarray\nscalar\n",
          b"c__builtin__\nbytes\n", b"cnumpy._core.numeric\n_frombuffer\n", b"X\1\0\0\0C",
          b"X\1\0\0\0K", b"\x96\2\0\0\0\0\0\0\0ab", b"U\2i8",
          b"U\10" + bytes(8), b"K\0\x85", b"c_codecs\nencode\nX\1\0\0\0aX\6\0\0\0latin1\x86R"]
ACTIONS = [b"a", b"e", b"s", b"u", b"t", b"\x85", b"\x86", b"\x87", b"R", b"b", b"q\0", b"q\1", b"h\0", b"h\1", b"0",
           b"1", b"2", b"l", b"d", b"o", b"\x81", b"\x92", b"\x93", b"\x94", b"Q", b"\x82\1", b"\x83\1\0",
           b"r\xff\xff\xff\x7f"]
DTYPE = b"cnumpy\ndtype\nU\2u1K\0K\1\x87R(K\3U\1|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
IMAGE = (b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\1b\x87R(K\1K\1M\0\x0c\x86" + DTYPE +
         b"\x89T\0\x0c\0\0" + bytes(3072) + b"tb")
PUSHES += [DTYPE, b"cnumpy.core.multiarray\nscalar\n" + DTYPE + b"U\1a\x86R",
           b"cnumpy.core.numeric\n_frombuffer\n(U\2ab" + DTYPE + b"K\2\x85X\1\0\0\0CtR"]


# What a script may have made of a batch before it was written again.
FORMS = {b"data": (lambda x: x, lambda x: x.reshape(-1, 3, 32, 32), np.asfortranarray,
                   lambda x: x.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), lambda x: x / 255, lambda x: x > 99,
                   lambda x: x.astype(np.float32), lambda x: x.astype(np.int16) - 9, lambda x: x * np.nan),
         b"labels": (lambda y: y, lambda y: [np.int64(v) for v in y], np.array, tuple, lambda y: [float(v) for v in y],
                     lambda y: np.eye(10)[y], lambda y: np.array(y)[:, None], lambda y: [v + 0.5 for v in y],
                     lambda y: [np.bool_(True) for _ in y], lambda y: [np.array(v) for v in y],
                     lambda y: [10**40 for _ in y], lambda y: np.array([str(v) for v in y]))}


def of_pickle(rng):
    files = content("cifar10", "python", images=1)[0]
    name = str(rng.choice(["data_batch_1", "test_batch"]))
    batch = pickle.loads(files[name])  # our own, just written
    batch = {key: FORMS[key][rng.integers(len(FORMS[key]))](value) for key, value in batch.items()}
    batch["filenames"] = [np.str_("a.png"), np.bytes_(b"b.png"), "c.png"][:rng.integers(4)]
    if rng.random() < 0.5:
        batch = {key.decode() if isinstance(key, bytes) else key: value for key, value in batch.items()}
    data = pickle.dumps(batch, protocol=int(rng.integers(2, 6)))
    if rng.random() < 0.5:  # NumPy 1's names
        data = data.replace(b"numpy._core.multiarray\n", b"numpy.core.multiarray\n")
    return {name: mutated(data, rng, rng.choice([0.06, 1])) if rng.random() < 0.9 else data}


def of_opcodes(rng):
    """A random program of the pickle machine: pushes mostly, so that the actions find something."""
    parts = [(PUSHES if rng.random() < 0.6 else ACTIONS) for _ in range(rng.integers(1, 40))]
    program = b"".join(part[rng.integers(len(part))] for part in parts)
    if rng.random() < 0.5:  # as the value of an entry of a batch that is else whole
        key = bytes(rng.choice([b"labels", b"data", b"other"]))
        return {"data_batch_1": b"\x80\2}(U\6labels]K\1aU\4data" + IMAGE + b"U" + bytes([len(key)]) + key +
                (program if rng.random() < 0.5 else PUSHES[rng.integers(len(PUSHES))]) + b"u."}
    return {str(rng.choice(["data_batch_1", "batches.meta"])): b"\x80\2" + program + b"." * int(rng.random() < 0.9)}


def of_binary(rng):
    files = content("cifar10", "binary", images=1)[0]
    data = files["test_batch.bin"] * int(rng.integers(1, 4))
    return {"test_batch.bin": mutated(data, rng, rng.choice([0.001, 1]))}
