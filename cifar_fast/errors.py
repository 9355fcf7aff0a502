"""The one exception that a person at the command line is meant to read."""


class UserError(Exception):
    """Bad input from outside: a flag, a file, a directory, a device.

    Its message is one line that says what was wrong, where, what was expected and what to do. The command
    line prints it without a traceback and exits with 1.
    """
