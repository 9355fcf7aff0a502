"""The one exception that a person at the command line is meant to read, and how others' texts get into it."""
import difflib


class UserError(Exception):
    """Bad input from outside: a flag, a file, a directory, a device.

    Its message is one line that says what was wrong, where, what was expected and what to do. The command
    line prints it without a traceback and exits with 1.
    """


def short(text):
    """The start of a text from outside, fit for a line of a message: no control characters."""
    return ascii(text[:80])[1:-1][:120] if isinstance(text, str) else "something that is no text"


def nearest(word, known):
    """" (did you mean X?)", X the most like a word that is none of the known ones, or "" if none is like it."""
    found = difflib.get_close_matches(word, list(known), 1)
    return f" (did you mean {found[0]}?)" if found else ""
