"""TensorFlow's wait for the other workers, with an end, and open to signals.

TensorFlow starts its part of a cluster in native code, which waits for all workers, without end for one that is gone
since the roll call, and holds Python's lock meanwhile: no thread runs, no signal is heard. Called by ctypes, in a
thread, it holds nothing up.
"""
import contextlib
import ctypes
import functools
import os
import signal
import sys
import threading
import time

import tensorflow as tf

from cifar_fast.system import private

FUNCTION = "TFE_EnableCollectiveOps"
LIBRARY = "libtensorflow_cc.2.dylib" if sys.platform == "darwin" else "libtensorflow_cc.so.2"


@contextlib.contextmanager
def bounded(seconds):
    """Within it TensorFlow waits for the other workers so many seconds, and raises `tf.errors.DeadlineExceededError`.
    SIGTERM, which TensorFlow takes, acts as before."""
    pywrap_tfe, library = private.part("pywrap_tfe"), _library()
    real = getattr(pywrap_tfe, FUNCTION, None)
    if not real or not library:
        yield  # not where TensorFlow for Linux and macOS has it: then it waits as it does
        return
    setattr(pywrap_tfe, FUNCTION, functools.partial(_enable_collective_ops, library, seconds))
    try:
        yield
    finally:
        setattr(pywrap_tfe, FUNCTION, real)


def _library():
    """TensorFlow's native code, or None where it has not what is called here."""
    try:
        library = ctypes.CDLL(os.path.join(tf.sysconfig.get_lib(), LIBRARY))
        library.TF_NewStatus.restype, library.TF_Message.restype = ctypes.c_void_p, ctypes.c_char_p
        return library if getattr(library, FUNCTION) and library.TF_GetCode else None
    except (OSError, AttributeError):
        return None


def _enable_collective_ops(library, seconds, context, definition):
    """In place of TensorFlow's of the same name. context: a capsule. definition: a ServerDef's bytes."""
    ended, deadline = [], time.monotonic() + seconds
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(context))  # while a thread waits in it, maybe for good
    thread = threading.Thread(target=lambda: ended.append(_call(library, context, definition)), daemon=True)
    thread.start()
    while thread.is_alive():
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM) or signal.SIG_DFL)
        thread.join(0.1)
        if time.monotonic() > deadline:
            raise tf.errors.DeadlineExceededError(None, None, f"not all workers came within {seconds:.0f} s")
    ctypes.pythonapi.Py_DecRef(ctypes.py_object(context))
    code, message = ended[0]
    if code:
        raise tf.errors.exception_type_from_error_code(code)(None, None, message)


def _call(library, context, definition):
    """The status of TensorFlow's function: its code, 0 where all is well, and message."""
    name, pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name.argtypes, name.restype = [ctypes.py_object], ctypes.c_char_p
    pointer.argtypes, pointer.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p
    status = ctypes.c_void_p(library.TF_NewStatus())
    library.TFE_EnableCollectiveOps(ctypes.c_void_p(pointer(context, name(context))), definition,
                                    ctypes.c_size_t(len(definition)), status)
    return library.TF_GetCode(status), (library.TF_Message(status) or b"").decode(errors="replace")
