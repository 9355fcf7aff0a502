"""A part of the user's own, an optimizer or an augmentation, that a flag names as package.module:function."""
import contextlib
import importlib
import os
import re
import sys

from cifar_fast.errors import UserError, short

FORM = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_<][\w.<>]*")


def check(flag, text, others=""):
    """Raises UserError unless a text is of that form. others: what else the flag takes, in words."""
    if not FORM.fullmatch(text):
        raise UserError(f"{flag}={text}: must be {others}package.module:function")


def load(flag, text):
    """The function that a text names, its module looked for in the working directory, too.

    Raises:
      UserError: there is none, or its module can't be imported.
    """
    check(flag, text)
    module, _, names = text.partition(":")
    try:
        with _working_directory():
            part = importlib.import_module(module)
        for name in names.split("."):
            part = getattr(part, name)
    except Exception as error:  # whatever the module does when it is imported
        raise UserError(f"{flag}={text}: {reason(error)}; expected package.module:function, the package installed or "
                        f"in this folder, {os.getcwd()}") from error
    if not callable(part):
        raise UserError(f"{flag}={text}: is no function but of type {type(part).__name__}")
    return part


def name(argument, part):
    """A function or class, given as an argument of that name, as a flag would name it. Raises UserError."""
    if not callable(part) or not hasattr(part, "__qualname__"):
        raise UserError(f"{argument}={short(str(part))}: must be a function or a class, not of type "
                        f"{type(part).__name__}")
    return f"{part.__module__}:{part.__qualname__}"


def reason(error):
    """What an exception from a user's own code says, in one line."""
    return f"{type(error).__name__}: {short(' '.join(str(error).split()))}"


@contextlib.contextmanager
def _working_directory():
    """Python looks there for modules if it was started as `python -m`, not as the command."""
    here = os.getcwd()
    sys.path.append(here)
    try:
        yield
    finally:
        sys.path.remove(here)
