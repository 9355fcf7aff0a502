"""GPUs that can't be used: those of which TensorFlow is known to die, and those that it does not see, and why."""
import ctypes
import os
import site
from pathlib import Path

import tensorflow as tf

from cifar_fast import environment
from cifar_fast.errors import UserError

# Versions whose XLA ends the process on compute capability 12 ("PTX version 8.5 does not support target sm_120"), and
# whose wheels have no kernels for it: https://github.com/tensorflow/tensorflow/issues/111958
WITHOUT_12 = ("2.20.", "2.21.")
# What TensorFlow opens when it looks for GPUs, by the CUDA that it is built for.
LIBRARIES = {"12": ("libcudart.so.12", "libcublas.so.12", "libcublasLt.so.12", "libcufft.so.11", "libcusolver.so.11",
                    "libcusparse.so.12", "libcudnn.so.9")}
REGISTER = ("export LD_LIBRARY_PATH=$(python -c \"import glob, site; "
            "print(*glob.glob(site.getsitepackages()[0] + '/nvidia/*/lib'), sep=':')\")")


def check(gpus):
    """Raises UserError where a GPU of TensorFlow's list is one that this TensorFlow is known to die of. To be called
    before anything is compiled."""
    for gpu in gpus:
        details = tf.config.experimental.get_device_details(gpu)
        major, minor = details.get("compute_capability", (0, 0))
        if major == 12 and tf.__version__.startswith(WITHOUT_12):
            raise UserError(
                f"{details.get('device_name', 'the GPU')}: has compute capability {major}.{minor}, for which "
                f"TensorFlow {tf.__version__} has no kernels, and of which its XLA ends the process; install a "
                "TensorFlow that is built for it, or set CUDA_VISIBLE_DEVICES=-1 to train on the CPU")


def why():
    """Why TensorFlow sees no GPU, in words, as far as it can be told."""
    if "CUDA_VISIBLE_DEVICES" in os.environ or not environment.NVIDIA_DRIVER.exists():
        return "no GPU visible"
    found = "no GPU visible, though there is an NVIDIA driver"
    libraries = LIBRARIES.get(tf.sysconfig.get_build_info().get("cuda_version", "").partition(".")[0])
    if libraries is None:
        return f"{found}: is cifar_fast[gpu] installed, and a TensorFlow built for CUDA?"
    missing = [name for name in libraries if not _loads(name)]
    if not missing:
        return f"{found}, and CUDA's libraries load: does nvidia-smi list one?"
    if not _folders():
        return (f"{found}: {', '.join(missing)} did not load, and no package has them; "
                "pip install 'tensorflow[and-cuda]'")
    return (f"{found}: {', '.join(missing)} did not load; they come with tensorflow[and-cuda], whose folders the "
            f"loader must know before the command starts: {REGISTER}")


def _loads(name):
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _folders():
    """Where pip has put NVIDIA's libraries in this environment."""
    return [folder for root in site.getsitepackages() for folder in Path(root).glob("nvidia/*/lib")]
