"""Reads the published pickles without running them.

A pickle is a program for a small stack machine. The one here knows the instructions of plain data in protocols 2
to 5, and the few names by which Python and NumPy spell bytes, arrays and numbers: they stand for themselves, and
nothing is called; everything else is refused. It is ours and not `pickle.Unpickler`, for that one, even with every
name forbidden, hashes whatever a file puts into a dict: nested or colliding keys keep it busy for hours. Here a key
is text, and an array's shape is checked against its bytes before it is made.
"""
import pickletools
import re
import warnings

import numpy as np

from cifar_fast.data.cifar.published import SOURCE
from cifar_fast.errors import UserError, short

OPERATIONS = 2_000_000  # CIFAR-100's training file has 205,000, with NumPy's numbers for labels 1.6 million: about 1 s
KEY = 100  # letters of a dict's key; CIFAR's have up to 16
DIMENSIONS = 8
DTYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "b1")


def loads(data, where):
    """Unpickles bytes into dicts, lists, tuples, numbers, bytes, str and, see `array`, NumPy arrays.

    Args:
      data: bytes; what Python 2 wrote as str comes out as bytes. where: the file's name, for messages.
    Raises:
      UserError: it is damaged, or asks for anything else. No code of the pickle has run then.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's own, about odd text in the pickle
            return _Machine().run(data)
    except _Refused as error:
        raise UserError(f"{where}: refused, it {error}; CIFAR's published files hold arrays and lists only, "
                        f"get them anew from {SOURCE}") from None
    except Exception as error:  # whatever a damaged pickle may lead to: it is data, nothing of it has been executed
        raise UserError(f"{where}: not a whole pickle ({type(error).__name__}: {short(str(error))}); "
                        f"get it anew from {SOURCE}") from None


def array(value):
    """The NumPy array that an unpickled value stands for, None if it was never filled, or the value itself."""
    return value.array if isinstance(value, _Array) else value


class _Refused(Exception):
    pass


class _Name:
    """A name that stands for itself. Its kind is what `_Machine.reduce` knows it by."""

    __match_args__ = ("kind",)

    def __init__(self, kind):
        self.kind = kind


_NAMES = {("numpy", "ndarray"): _Name("ndarray"), ("numpy", "dtype"): _Name("dtype"),
          ("_codecs", "encode"): _Name("encode"),  # bytes, in protocol 2
          ("__builtin__", "bytes"): _Name("bytes"), ("builtins", "bytes"): _Name("bytes")}
for _core in ("numpy.core", "numpy._core"):
    _NAMES |= {(f"{_core}.multiarray", "_reconstruct"): _Name("reconstruct"),
               (f"{_core}.multiarray", "scalar"): _Name("scalar"),
               (f"{_core}.numeric", "_frombuffer"): _Name("frombuffer")}  # arrays, in protocol 5


class _Array:
    """An array, empty until BUILD brings (version, shape, dtype, fortran order, bytes) as NumPy writes them."""

    def __init__(self, array=None):
        self.array = array

    def build(self, state):
        _, shape, dtype, fortran, data = state
        self.array = _array(data, dtype, shape, "F" if fortran else "C")


def _array(data, dtype, shape, order):
    """The bytes as an array, without a copy; order: "C" or "F"."""
    if not isinstance(data, bytes) or not isinstance(dtype, _Dtype):
        raise _Refused("holds an array of no plain bytes")
    # Bounded before they are multiplied: a product of many huge numbers would take hours by itself.
    if not isinstance(shape, tuple) or len(shape) > DIMENSIONS or not all(
            isinstance(n, int) and 0 <= n <= len(data) for n in shape):
        raise _Refused(f"declares an array of a shape that its {len(data)} bytes don't fill")
    kind = np.dtype(dtype.code)
    size = kind.itemsize
    for n in shape:
        size *= n
    if size != len(data):
        raise _Refused(f"declares an array of {size} bytes and holds {len(data)}")
    return np.frombuffer(data, kind).reshape(shape, order=order)


class _Dtype:
    """A dtype; only little-endian plain numbers and short texts are known."""

    def __init__(self, code):
        code = code.decode("latin1") if isinstance(code, bytes) else code
        if not isinstance(code, str) or code not in DTYPES and not re.fullmatch("[SU][0-9]{1,3}", code):
            raise _Refused(f"holds an array of dtype {short(code)}")
        self.code = code

    def build(self, state):
        if state[1] in (b">", ">"):
            raise _Refused("holds a big-endian array")


class _Machine:
    """A pickle's stack, marks and memo. A method is an instruction, named as in pickletools."""

    def __init__(self):
        self.stack, self.marks, self.memo = [], [], {}

    def run(self, data):
        self.size = self.unspelt = len(data)
        for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if count > OPERATIONS:
                raise _Refused("has more entries than any CIFAR file")
            instruction = _INSTRUCTIONS.get(opcode.name)
            if instruction is None:
                raise _Refused(f"holds the pickle instruction {opcode.name}")
            instruction(self, argument)
        value = self.pop()
        if self.stack or self.marks:
            raise _Refused("ends with more than one value")
        return value

    def push(self, value):
        self.stack.append(value)

    def pop(self):
        self.top()
        return self.stack.pop()

    def top(self):
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise _Refused("takes a value that is not there")
        return self.stack[-1]

    def marked(self):
        if not self.marks:
            raise _Refused("takes values that are not there")
        at = self.marks.pop()
        values = self.stack[at:]
        del self.stack[at:]
        return values

    def tuple(self, length):
        values = [self.pop() for _ in range(length)]
        self.push(tuple(reversed(values)))

    def extend(self, values):
        if type(self.top()) is not list:
            raise _Refused("appends to something that is no list")
        self.top().extend(values)

    def update(self, values):
        target, keys = self.top(), values[::2]
        # Short ones: a key is compared with its equals to the end, which 250,000 times over would take an hour.
        if type(target) is not dict or len(values) % 2 or not all(
                type(key) in (bytes, str) and len(key) <= KEY for key in keys):
            raise _Refused(f"fills something that is no dict with texts of up to {KEY} letters for keys")
        target.update(zip(keys, values[1::2], strict=True))

    def set_one(self):
        value, key = self.pop(), self.pop()
        self.update([key, value])

    def frame(self, size):
        if size > self.size:
            raise _Refused(f"declares {size} bytes and holds {self.size}")

    def remember(self, index):
        if index > OPERATIONS:
            raise _Refused("numbers its values higher than any CIFAR file")
        self.memo[index] = self.top()

    def name(self, module, name):
        known = isinstance(module, str) and isinstance(name, str) and _NAMES.get((module, name))
        if not known:
            raise _Refused(f"asks for {short(module)}.{short(name)}")
        self.push(known)

    def stack_name(self):
        name, module = self.pop(), self.pop()
        self.name(module, name)

    def reduce(self):
        arguments, function = self.pop(), self.pop()
        match function, arguments if type(arguments) is tuple else None:
            case _Name("dtype"), (code, *_):
                value = _Dtype(code)
            case _Name("reconstruct"), (_Name("ndarray"), *_):
                value = _Array()
            case _Name("frombuffer"), (data, dtype, shape, "C" | "F" as order, *_):
                value = _Array(_array(data, dtype, shape, order))
            case _Name("frombuffer"), (data, dtype, shape, "K", tuple(axes)):
                value = _Array(_array(data, dtype, shape, "C").transpose(axes))
            case _Name("scalar"), (dtype, data):
                value = _array(data, dtype, (), "C").item()
            case _Name("encode"), (str(text), "latin1"):
                value = self.encoded(text)
            case _Name("bytes"), ():
                value = b""
            case _:
                raise _Refused("calls something that makes no array")
        self.push(value)

    def encoded(self, text):
        self.unspelt -= len(text)
        if self.unspelt < 0:  # the same text again and again
            raise _Refused("makes more bytes than it has")
        return text.encode("latin1")

    def build(self):
        state, target = self.pop(), self.top()
        if not isinstance(target, _Array | _Dtype):
            raise _Refused("gives a state to something that is no array")
        target.build(state)


_INSTRUCTIONS = {
    **dict.fromkeys(("PROTO", "STOP"), lambda m, _: None),
    "FRAME": _Machine.frame,
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
                     "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), _Machine.push),
    **dict.fromkeys(("BINSTRING", "SHORT_BINSTRING"), lambda m, text: m.push(text.encode("latin1"))),
    "BYTEARRAY8": lambda m, data: m.push(bytes(data)),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _Machine.remember),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda m, index: m.push(m.memo[index])),
    "NONE": lambda m, _: m.push(None), "NEWTRUE": lambda m, _: m.push(True), "NEWFALSE": lambda m, _: m.push(False),
    "MARK": lambda m, _: m.marks.append(len(m.stack)), "MEMOIZE": lambda m, _: m.remember(len(m.memo)),
    "EMPTY_LIST": lambda m, _: m.push([]), "EMPTY_DICT": lambda m, _: m.push({}),
    "EMPTY_TUPLE": lambda m, _: m.push(()), "TUPLE": lambda m, _: m.push(tuple(m.marked())),
    "TUPLE1": lambda m, _: m.tuple(1), "TUPLE2": lambda m, _: m.tuple(2), "TUPLE3": lambda m, _: m.tuple(3),
    "APPEND": lambda m, _: m.extend([m.pop()]), "APPENDS": lambda m, _: m.extend(m.marked()),
    "SETITEM": lambda m, _: m.set_one(), "SETITEMS": lambda m, _: m.update(m.marked()),
    "GLOBAL": lambda m, both: m.name(*both.split(" ", 1)), "STACK_GLOBAL": lambda m, _: m.stack_name(),
    "REDUCE": lambda m, _: m.reduce(), "BUILD": lambda m, _: m.build(),
}
