"""Reads the published pickles without ever running what a pickle asks for.

A pickle is a program. Before it runs, its opcodes are walked and all but those of plain data and of NumPy arrays
are refused; then the standard unpickler runs with a `find_class` that knows three names and answers each with a
function of ours, so that an array's size is checked against its bytes before anything is allocated.
"""
import io
import pickle
import pickletools

import numpy as np

from cifar_fast.errors import UserError

OPCODES = set("""PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1
    BINFLOAT FLOAT STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 UNICODE BINUNICODE
    SHORT_BINUNICODE BINUNICODE8 EMPTY_LIST APPEND APPENDS LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT
    DICT SETITEM SETITEMS PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE
    BUILD""".split())
MEMO = 1_000_000  # entries: a larger index would have the unpickler allocate a table for it
OPERATIONS = 5_000_000


def loads(data, where):
    """Unpickles bytes into dicts, lists, tuples, numbers, bytes, str and NumPy arrays.

    Args:
      data: bytes. where: the file's name, for messages.
    Raises:
      UserError: it is damaged, or asks for anything else. No code of the pickle has run then.
    """
    try:
        _check(data)
        return _Unpickler(io.BytesIO(data)).load()
    except _Refused as error:
        raise UserError(f"{where}: refused, it {error}; CIFAR's published files hold arrays and lists only, "
                        "get them anew from https://www.cs.toronto.edu/~kriz/cifar.html") from None
    except Exception as error:  # whatever a damaged pickle may raise; nothing of it has been executed
        raise UserError(f"{where}: not a whole pickle ({type(error).__name__}: {str(error)[:80]}); "
                        "get it anew from https://www.cs.toronto.edu/~kriz/cifar.html") from None


class _Refused(Exception):
    pass


def _check(data):
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if opcode.name not in OPCODES:
            raise _Refused(f"holds the pickle instruction {opcode.name}")
        if "PUT" in opcode.name and int(argument) > MEMO or count > OPERATIONS:
            raise _Refused("is larger than any CIFAR file")
        if opcode.name == "GLOBAL" and tuple(argument.split(" ", 1)) not in _KNOWN:
            raise _Refused(f"asks for {argument.replace(' ', '.')[:80]}")


class _Unpickler(pickle.Unpickler):
    def __init__(self, file):
        super().__init__(file, encoding="bytes")

    def find_class(self, module, name):
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise _Refused(f"asks for {module}.{name}"[:100]) from None


class _Array:
    """Stands for ndarray.__reduce__'s empty array until BUILD brings shape, dtype and bytes."""

    def __setstate__(self, state):
        _, shape, dtype, fortran, data = state
        dtype = np.dtype(dtype.code)
        if not isinstance(data, bytes) or any(not isinstance(n, int) or n < 0 for n in shape):
            raise _Refused("holds an array of no plain bytes")
        size = dtype.itemsize
        for n in shape:
            size *= n
        if size != len(data):
            raise _Refused(f"declares an array of {size} bytes and holds {len(data)}")
        self.array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


class _Dtype:
    """Stands for numpy.dtype; only plain numbers are known."""

    def __init__(self, code):
        code = code.decode("latin1") if isinstance(code, bytes) else code
        if code not in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "b1"):
            raise _Refused(f"holds an array of dtype {code!r}"[:60])
        self.code = code

    def __setstate__(self, state):
        order = state[1]
        if order in (b">", ">"):
            raise _Refused("holds a big-endian array")


class _Name:
    """A name that a pickle may mention, and what calling it does. It can't be given a state."""

    __slots__ = ("call",)

    def __init__(self, call):
        self.call = call

    def __call__(self, *arguments):
        return self.call(*arguments)

    def __setstate__(self, state):
        raise _Refused("changes a function")


def _reconstruct(kind, shape, code):
    if kind is not _NDARRAY:
        raise _Refused("builds something that is no array")
    return _Array()


def _refuse(*_):
    raise _Refused("calls ndarray itself")


def _dtype(code=b"", *_):
    return _Dtype(code)


_NDARRAY, _DTYPE, _RECONSTRUCT = _Name(_refuse), _Name(_dtype), _Name(_reconstruct)
_KNOWN = {("numpy", "ndarray"): _NDARRAY, ("numpy", "dtype"): _DTYPE,
          ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
          ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT}


def array(value):
    """The NumPy array that an unpickled value stands for, or the value itself."""
    return getattr(value, "array", None) if isinstance(value, _Array) else value
