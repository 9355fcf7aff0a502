"""Which hardware there is, and what a run would use of it: precision, XLA, threads, each with its reason."""
from dataclasses import dataclass

import tensorflow as tf

from cifar_fast import environment
from cifar_fast.errors import UserError


@dataclass(frozen=True)
class Runtime:
    """What a run uses, decided once. `reasons` holds a line for each decision, for the banner."""

    device: str
    precision: str
    xla: bool
    reasons: dict[str, str]

    def banner(self):
        width = max(map(len, self.reasons))
        return "\n".join(f"{name:<{width}}  {reason}" for name, reason in self.reasons.items())


def resolve(precision="auto", xla="auto"):
    """Decides what runs where.

    Args:
      precision: "auto", "float32", "bfloat16" or "float16"; xla: "auto", "on" or "off".
    Raises:
      UserError: what was asked for can't run here.
    """
    gpus = tf.config.list_physical_devices("GPU")
    onednn = _onednn()
    cores = environment.usable_cores()
    if not gpus:
        _set_threads(cores)
    chosen, why = _auto_precision(gpus, onednn) if precision == "auto" else (precision, "asked for")
    if not gpus and chosen == "bfloat16" and not onednn:
        raise UserError("--precision=bfloat16: oneDNN is off (TF_ENABLE_ONEDNN_OPTS=0), and without it bfloat16 "
                        "gradients are far slower than float32; unset TF_ENABLE_ONEDNN_OPTS or take float32")
    compiled = bool(gpus) if xla == "auto" else xla == "on"
    why_xla = {"on": "asked for", "off": "asked for"}.get(
        xla, "GPU" if gpus else "on CPUs oneDNN's convolutions are faster than XLA's")
    device = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU") if gpus else (
        f"{environment.cpu_name()}, {cores} core{'s' * (cores > 1)}")
    return Runtime(device="/GPU:0" if gpus else "/CPU:0", precision=chosen, xla=compiled, reasons={
        "device": device + ("" if gpus else " (no GPU visible)"),
        "instructions": ", ".join(i for i in environment.INSTRUCTIONS if i in environment.cpu_flags()) or "unknown",
        "oneDNN": "on" if onednn else "off: TF_ENABLE_ONEDNN_OPTS=0 or TensorFlow was imported before cifar_fast",
        "precision": f"{chosen} ({why})",
        "XLA": f"{'on' if compiled else 'off'} ({why_xla}); gather and augmentation always compiled",
        "threads": f"{cores} (the cores this process may use)" if not gpus else "TensorFlow's choice",
        "versions": f"TensorFlow {tf.__version__}, Keras {tf.keras.__version__}",
    })


def _auto_precision(gpus, onednn):
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        major, minor = details.get("compute_capability", (0, 0))
        if major >= 8:
            return "bfloat16", f"compute capability {major}.{minor}"
        if major == 7:
            return "float16", f"compute capability {major}.{minor}, with dynamic loss scaling"
        return "float32", f"compute capability {major}.{minor} has no tensor cores"
    if not onednn:
        return "float32", "oneDNN is off"
    for unit, name in (("amx_bf16", "matrix units"), ("avx512_bf16", "dot products")):
        if unit in environment.cpu_flags():
            return "bfloat16", f"the processor has bfloat16 {name}, {unit}"
    return "float32", "the processor has no bfloat16 arithmetic"


def _onednn():
    """Whether TensorFlow's CPU kernels are oneDNN's: asked of TensorFlow, since it reads the environment once."""
    from tensorflow.python.util import _pywrap_util_port
    return bool(_pywrap_util_port.IsMklEnabled())


def _set_threads(cores):
    try:
        tf.config.threading.set_intra_op_parallelism_threads(cores)
        tf.config.threading.set_inter_op_parallelism_threads(cores)
    except RuntimeError:
        pass  # TensorFlow has started already, as in a user's own script: its threads are the user's
