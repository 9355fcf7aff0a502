"""What of TensorFlow has no public way: used where it is there. Another version may have it no more."""
import importlib
import importlib.metadata

# Whose XLA knows `environment`'s flag; on one that it does not know it ends the process.
KNOWN = ("2.20.", "2.21.", "2.22.")


def part(module, name=None):
    """tensorflow.python's `module`, or `name` of it; None where this TensorFlow has it not. Imports TensorFlow."""
    try:
        found = importlib.import_module(f"tensorflow.python.{module}")
    except ImportError:
        return None
    return getattr(found, name, None) if name else found


def knows_xla_flags():
    """Whether TensorFlow is of a version that has been tried with the flags that are set for it. Imports nothing."""
    try:
        return importlib.metadata.version("tensorflow").startswith(KNOWN)
    except importlib.metadata.PackageNotFoundError:  # it bears another name, as builds of other people do
        return False
