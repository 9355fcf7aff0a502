"""What must be set before TensorFlow is imported, and can't be set after, or would come too late.

oneDNN has the faster convolutions, also on CPUs where TensorFlow leaves it off by default (all without
AVX-512 VNNI), and XLA can keep what it compiled for a GPU between runs. A value that the user has set is kept.
"""
import contextlib
import gc
import hashlib
import os
import sys
import tempfile
from pathlib import Path

from cifar_fast.system import private, processor


def prepare():
    """Sets TensorFlow's environment variables, and how often Python looks for garbage. Call it before the first
    `import tensorflow`.

    Raises:
      RuntimeError: TensorFlow is imported already, so nothing set now would be heard.
    """
    if "tensorflow" in sys.modules:
        raise RuntimeError("cifar_fast.environment.prepare() must run before tensorflow is imported")
    # Imports and tracing make objects that stay; by default Python looks through them again and again.
    gc.set_threshold(50_000, 50, 50)
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if os.path.expanduser("~") == "~":  # a number that is no user's, as containers have them
        os.environ["HOME"] = os.devnull  # nothing can be made in it; else some end there, and some make a folder "~"
    if not has_temporary_folder():
        os.environ.setdefault("TEST_TMPDIR", "/tmp")  # or TensorFlow's import would end where absl's tests ask for one
    flags = os.environ.get("TF_XLA_FLAGS", "")
    # On CPUs, TensorFlow 2.21 warns of SIGILL whenever it loads what it stored there itself.
    wanted = NVIDIA_DRIVER.exists() and "persistent_cache" not in flags
    if wanted and private.knows_xla_flags() and (cache := xla_cache()):
        os.environ["TF_XLA_FLAGS"] = f"{flags} --tf_xla_persistent_cache_directory={cache}".strip()


def start():
    """Imports TensorFlow, and Keras with it, and lets it look for devices, without the lines that it writes meanwhile.

    Without a temporary folder Keras has no Matplotlib, as where it is not installed: Matplotlib wants a folder to write
    to, if need be a temporary one, and its import would end Keras's, which draws nothing here.
    """
    hidden = "matplotlib" not in sys.modules and not has_temporary_folder()
    if hidden:
        sys.modules["matplotlib"] = None
    try:
        with quiet():
            import tensorflow as tf
            tf.config.list_physical_devices()
    finally:
        if hidden:
            del sys.modules["matplotlib"]


def has_temporary_folder():
    try:
        tempfile.gettempdir()
    except OSError:
        return False
    return True


NVIDIA_DRIVER = Path("/proc/driver/nvidia")  # there where Linux has one loaded


@contextlib.contextmanager
def quiet():
    """Holds back what native code writes to standard error, which TensorFlow does before its log level counts;
    it is shown if the block raises. Without a place to hold it, or a standard error, it is left alone."""
    try:
        held = open(os.memfd_create("stderr"), "w+b") if hasattr(os, "memfd_create") else tempfile.TemporaryFile()
        before = os.dup(2)
    except OSError:
        held = None
    if held is None:
        yield
        return
    if sys.stderr is not None:
        sys.stderr.flush()
    with held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(before, held.read())
            raise
        finally:
            os.dup2(before, 2)
            os.close(before)


def xla_cache():
    """The folder where XLA keeps compiled programs: one for each kind of processor, since a program compiled for one
    may hold instructions that another lacks. None where none can be written, which TensorFlow would take for an error
    whenever it compiles."""
    kind = hashlib.sha256(" ".join(sorted(processor.flags())).encode()).hexdigest()[:12]
    try:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = root / "cifar_fast" / f"xla-{kind}"
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError):  # a RuntimeError where nothing says which home is the user's
        return None
    return folder
