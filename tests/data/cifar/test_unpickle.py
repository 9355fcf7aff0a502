"""What the unpickler builds, and all that it refuses."""
import collections
import os
import pickle
import struct
import time

import numpy as np
import pytest

from cifar_fast.data.cifar import unpickle
from cifar_fast.errors import UserError


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_and_containers(protocol):
    array = np.arange(12, dtype=np.uint8).reshape(3, 4)
    value = {b"data": array, b"labels": [1, 2, 3], "name": ("x", None, True, 1.5)}
    loaded = unpickle.loads(pickle.dumps(value, protocol=protocol), "it")
    np.testing.assert_array_equal(unpickle.array(loaded[b"data"]), array)
    assert loaded[b"labels"] == [1, 2, 3] and loaded["name"] == ("x", None, True, 1.5)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("core", [b"numpy._core.", b"numpy.core."])  # NumPy 2's and 1's; names of a length by then
def test_every_way_in_which_python_3_writes_an_array(protocol, core):
    whole = np.arange(120, dtype=np.int32).reshape(2, 3, 4, 5)
    fixed = whole.copy()
    fixed.flags.writeable = False  # its bytes stand in protocol 5 as bytes, not as a bytearray
    for array in (whole, fixed, whole.T, whole.transpose(0, 2, 3, 1), whole[:, :, ::2], whole[0, 0, 0, 0:1]):
        data = pickle.dumps({"data": array}, protocol=protocol)
        if core == b"numpy.core.":
            data = renamed(data)
        np.testing.assert_array_equal(unpickle.array(unpickle.loads(data, "it")["data"]), array)


def renamed(data):
    """A pickle of NumPy 2 as NumPy 1 would write it: other modules' names."""
    for module in (b"multiarray", b"numeric"):
        after = b"numpy.core." + module
        data = data.replace(b"cnumpy._core." + module, b"c" + after)
        data = data.replace(b"\x8c" + bytes([len(after) + 1]) + b"numpy._core." + module,
                            b"\x8c" + bytes([len(after)]) + after)
    return data


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_numpys_scalars_and_texts(protocol):
    value = [np.int64(-3), np.uint8(200), np.float32(0.5), np.bool_(True), np.str_("ä"), np.bytes_(b"x"), b"", b"\xff"]
    loaded = unpickle.loads(pickle.dumps(value, protocol=protocol), "it")
    assert loaded == [-3, 200, 0.5, True, "ä", b"x", b"", b"\xff"]
    assert [type(v) for v in loaded] == [int, int, float, bool, str, bytes, bytes, bytes]
    names = np.array([b"a.png", b"bb.png"])
    np.testing.assert_array_equal(unpickle.array(unpickle.loads(pickle.dumps(names, protocol), "it")), names)


def python2(data):
    """A protocol 2 pickle of {"data": uint8 array, "labels": [...]} as Python 2 wrote it."""
    raw = data.tobytes()
    return b"".join([
        b"\x80\x02}(U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R",
        b"(K\x01K", bytes([data.shape[0]]), b"K", bytes([data.shape[1]]), b"\x86",
        b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
        b"\x89T", struct.pack("<i", len(raw)), raw, b"tb", b"U\x06labels](K\x01K\x02eu."])


def test_the_published_form():
    array = np.arange(10, dtype=np.uint8).reshape(2, 5)
    loaded = unpickle.loads(python2(array), "it")
    np.testing.assert_array_equal(unpickle.array(loaded[b"data"]), array)
    assert loaded[b"labels"] == [1, 2]


class Call:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class NewObject:
    pass


ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
DTYPE = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
MODULUS = (1 << 61) - 1  # integers that differ by it have one hash


def itself_in_itself(levels):
    """A dict whose key is a tuple of two of the same tuple of two of … : 2^levels steps to hash."""
    return b"\x80\x02})" + b"".join(b"q\x00h\x00\x86" for _ in range(levels)) + b"K\x01s."


def colliding(count):
    """A dict of integers with one hash: count^2 / 2 steps to fill."""
    keys = (pickle.encode_long(i * MODULUS) for i in range(1, count + 1))
    return b"\x80\x02}(" + b"".join(b"\x8a" + bytes([len(k)]) + k + b"N" for k in keys) + b"u."


def endless_product(count):
    """An array of many dimensions of 250 bytes each."""
    return ARRAY + b"(K\x01(" + (b"\x8a\xfa" + b"\x7f" * 250) * count + b"t" + DTYPE + b"\x89U\x01xtb."


def compared(size, count):
    """A dict filled by one long key, and by its equal `count` times: each time the two are compared to their ends."""
    long = b"B" + struct.pack("<I", size) + bytes(size)
    return b"\x80\x03}(" + long + b"N" + long + b"q\x00N" + b"h\x00N" * count + b"u."


def spelt_again(size, count):
    """One long text made into bytes `count` times."""
    text = b"X" + struct.pack("<I", size) + bytes(size) + b"X\x06\0\0\0latin1\x86q\x00c_codecs\nencode\nq\x01"
    return b"\x80\x02](" + text + b"h\x01h\x00R" * count + b"e."


ENCODE, SCALAR = b"c_codecs\nencode\n", b"cnumpy.core.multiarray\nscalar\n"
FROM_BUFFER = b"cnumpy.core.numeric\n_frombuffer\n"
HOSTILE = {
    "bytes from one text without end": spelt_again(1 << 20, 50_000),
    "another codec": b"\x80\x02" + ENCODE + b"X\1\0\0\0aX\5\0\0\0rot13\x86R.",
    "a codec of bytes": b"\x80\x02" + ENCODE + b"U\1aX\6\0\0\0latin1\x86R.",
    "letters beyond latin1": b"\x80\x02" + ENCODE + b"X\3\0\0\0\xe2\x82\xacX\6\0\0\0latin1\x86R.",
    "bytes of a number": b"\x80\x02c__builtin__\nbytes\nJ\0\0\0\x40\x85R.",
    "another codec function": b"\x80\x02c_codecs\ndecode\nU\1aX\6\0\0\0latin1\x86R.",
    "another builtin": b"\x80\x02c__builtin__\nbytearray\n)R.",
    "a scalar of too many bytes": b"\x80\x02" + SCALAR + DTYPE + b"U\2ab\x86R.",
    "a scalar of a dtype's name": b"\x80\x02" + SCALAR + b"U\2u1U\1a\x86R.",
    "a scalar of an object": b"\x80\x02" + SCALAR + b"cnumpy\ndtype\nU\2O8\x85RU\1a\x86R.",
    "a buffer of another length": b"\x80\x02" + FROM_BUFFER + b"(U\2ab" + DTYPE + b"K\3\x85X\1\0\0\0CtR.",
    "a buffer of an endless shape": b"\x80\x02" + FROM_BUFFER + b"(U\2ab" + DTYPE + b"(" + b"K\2" * 100_000 +
                                    b"tX\1\0\0\0CtR.",
    "a buffer in another order": b"\x80\x02" + FROM_BUFFER + b"(U\2ab" + DTYPE + b"K\2\x85X\1\0\0\0AtR.",
    "axes that are none": b"\x80\x02" + FROM_BUFFER + b"(U\2ab" + DTYPE + b"K\2\x85X\1\0\0\0KK\1\x85tR.",
    "axes of text": b"\x80\x02" + FROM_BUFFER + b"(U\2ab" + DTYPE + b"K\2\x85X\1\0\0\0KU\1a\x85tR.",
    "a buffer of a list": b"\x80\x02" + FROM_BUFFER + b"(]" + DTYPE + b"K\0\x85X\1\0\0\0CtR.",
    "a text of a gigabyte's dtype": b"\x80\x02" + SCALAR + b"cnumpy\ndtype\nU\x0bS1000000000\x85RU\1a\x86R.",
    "huge bytearray": b"\x80\x05\x96" + struct.pack("<Q", 1 << 60) + b"x.",
    "a buffer outside made read-only": b"\x80\x05C\1a\x98.",
    "STACK_GLOBAL": b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
    "REDUCE of a known name": b"\x80\x02cnumpy\ndtype\n(cnumpy\nndarray\ntR.",
    "REDUCE of data": b"\x80\x02]K\x01\x85R.",
    "BUILD of a dict": b"\x80\x02}}U\x01aK\x01sb.",
    "BUILD of a list": b"\x80\x02](K\x01tb.",
    "NEWOBJ": b"\x80\x02cnumpy\nndarray\n)\x81.",
    "NEWOBJ_EX": b"\x80\x04cnumpy\nndarray\n)}\x92.",
    "POP": b"\x80\x02K\x01K\x020.", "DUP": b"\x80\x02K\x012\x86.",
    "a key in itself": itself_in_itself(200),
    "keys of one hash": colliding(100_000),
    "keys compared to their ends": compared(50 << 20, 20_000),
    "an endless product": endless_product(100_000),
    "a dtype in itself": b"\x80\x02cnumpy\ndtype\n)" + b"q\x00h\x00\x86" * 200 + b"K\x00K\x01\x87R.",
    "a name of control characters": b"\x80\x04\x8c\x06\x1b[31m\n\x8c\x01x\x93.",
    "a filled number": b"\x80\x02K\x01K\x02a.", "a list with keys": b"\x80\x02]K\x00K\x01s.",
    "an odd number of entries": b"\x80\x02}(U\x01au.",
    "two values": b"\x80\x02K\x01K\x02.", "a mark left": b"\x80\x02K\x01(.", "nothing": b"\x80\x02.",
    "below the mark": b"\x80\x02K\x01(\x85.", "no such memo": b"\x80\x02h\x05.",
    "os.system": pickle.dumps(Call(os.system, "touch ran"), 2),
    "eval by STACK_GLOBAL": pickle.dumps(Call(eval, "open('ran', 'w')"), 4),
    "a class": pickle.dumps(NewObject(), 2),
    "a class by NEWOBJ_EX": pickle.dumps(collections.OrderedDict(a=1), 4),
    "INST": b"(S'touch ran'\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nS'touch ran'\no.",
    "PERSID": b"Pran\n.",
    "BINPERSID": b"K\x01Q.",
    "EXT1": b"\x82\x01.", "EXT2": b"\x83\x01\x00.", "EXT4": b"\x84\x01\x00\x00\x00.",
    "out of band": b"\x80\x05\x97.",
    "object array": pickle.dumps(np.array([Call(os.system, "touch ran")], dtype=object), 3),
    "numpy.load by name": b"cnumpy\nload\n(S'ran'\ntR.",
    "submodule": b"cnumpy.core.multiarray\nfromfile\n.",
    "ndarray called": b"cnumpy\nndarray\n(I1000000000000\ntR.",
    "a function's state": b"cnumpy\ndtype\n}U\x04callK\x01sb.",
    "a function's slots": b"cnumpy\ndtype\n(N}U\x04callK\x01stb.",
    "huge declared shape": ARRAY + b"(K\x01\x8a\x06\x00\x00\x00\x00\x00\x01\x85" + DTYPE + b"\x89U\x01xtb.",
    "negative shape": ARRAY + b"(K\x01J\xff\xff\xff\xff\x85" + DTYPE + b"\x89U\x00tb.",
    "shape of text": ARRAY + b"(K\x01U\x01a\x85" + DTYPE + b"\x89U\x01xtb.",
    "object dtype": ARRAY.replace(b"U\x01b", b"U\x01O") + b"(K\x01K\x01\x85cnumpy\ndtype\nU\x02O8\x85R\x89U\x01xtb.",
    "huge memo": b"]r\xff\xff\xff\x7f.",
    "huge string": b"T\xff\xff\xff\x7fx.",
    "huge bytes": b"\x8e" + struct.pack("<Q", 1 << 60) + b"x.",
    "huge frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b"N.",
    "deep": b"(" * 50_000 + b"t" * 50_000 + b".",
    "empty": b"", "cut": python2(np.zeros((2, 5), np.uint8))[:-30], "text": b"hello, world",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_pickles_are_refused_and_not_run(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    began = time.process_time()
    with pytest.raises(UserError, match="^some file: ") as caught:
        value = unpickle.loads(HOSTILE[kind], "some file")
        # "deep" may load as nested tuples, which the readers refuse; anything else must not get here.
        assert kind == "deep" and isinstance(value, tuple)
        raise UserError("some file: loaded as harmless tuples")
    assert str(caught.value).isprintable()
    assert time.process_time() - began < 5
    assert not list(tmp_path.iterdir())


def test_more_entries_than_allowed_are_refused(monkeypatch):
    monkeypatch.setattr(unpickle, "OPERATIONS", 1000)
    with pytest.raises(UserError, match="more entries"):
        unpickle.loads(pickle.dumps([1] * 2000, 3), "it")
    with pytest.raises(UserError, match="numbers its values"):
        unpickle.loads(b"\x80\x02]r\xff\xff\x00\x00.", "it")
