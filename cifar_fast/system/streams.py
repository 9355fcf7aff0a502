"""Standard output and error as they come: closed, of few characters, or an object of a notebook's. Printing stops no
run, unless the stream itself takes no more."""
import contextlib
import os
import sys

STANDARD = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))  # in the order of their descriptors


def prepare():
    """For a process of our own: standard streams that are closed lead nowhere, and characters that their encoding lacks
    are spelled out, as "\\xd7", also where others print.

    A descriptor left closed would be that of the next file that is opened, and what native code prints go there.
    """
    for number, (name, mode) in enumerate(STANDARD):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, number)  # inherited by processes that we start, as any
            if nowhere != number:
                os.close(nowhere)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))
        if mode == "w" and hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="backslashreplace")


class OutputError(OSError):
    """A stream takes no more: its disk is full, or the reader of a pipe has left."""


def say(text):
    """Prints a line on standard output, at once. Raises OutputError."""
    put(text, sys.stdout)


def warn(text):
    """Prints a line on standard error, if that takes it."""
    with contextlib.suppress(OSError):
        put(text, sys.stderr)


def put(text, stream):
    """Writes a line to a stream, at once, in the characters that it has. A closed one, for which Python also says None,
    takes all. Raises OutputError."""
    if stream is None or getattr(stream, "closed", False):
        return
    try:
        try:
            stream.write(f"{text}\n")
        except UnicodeEncodeError:
            encoding = getattr(stream, "encoding", None) or "ascii"
            stream.write(f"{text}\n".encode(encoding, "backslashreplace").decode(encoding))
        if hasattr(stream, "flush"):
            stream.flush()
    except OSError as error:
        raise OutputError(error.errno, error.strerror) from error


def is_terminal(stream):
    """Whether a stream, which may be None or know nothing of terminals, is one that a bar can be drawn on."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # a ValueError says that it was closed
        return False
