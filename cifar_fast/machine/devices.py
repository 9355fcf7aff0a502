"""How this machine's devices compute: precision, XLA, convolutions, threads, each with its reason."""
import os
from dataclasses import dataclass

import keras
import tensorflow as tf

from cifar_fast.errors import UserError, short
from cifar_fast.machine import no_gpu
from cifar_fast.network import winograd
from cifar_fast.system import private, processor


@dataclass(frozen=True)
class Compute:
    """How one device computes, or each of several alike; `device` is the first one's name. `reasons` holds a line for
    each decision, for the banner."""

    device: str
    precision: str
    xla: bool
    by_winograd: bool
    reasons: dict[str, str]

    def reduced_in(self, asked):
        """The dtype in which gradients are summed; asked: --reduce_in."""
        return self.precision if asked == "compute" else "float32"


def resolve(precision="auto", xla="auto", local=None, convolutions="auto", sync_norm=False):
    """Decides how one device computes, or each of several, and sets TensorFlow's threads. Starts no device.

    Args:
      precision: "auto", "float32", "bfloat16" or "float16"; xla: "auto", "on" or "off".
      local: the devices' names, such as ("/GPU:0", "/GPU:1"); None: the first GPU, or the CPU where there is none.
      convolutions: what computes those of 3×3 and stride 1, "auto", "winograd" or "tensorflow".
      sync_norm: whether batch statistics are those of all replicas, where there are several.
    Returns:
      a `Compute`.
    Raises:
      UserError: what was asked for can't run here.
    """
    gpus = [] if local and "CPU" in local[0] else tf.config.list_physical_devices("GPU")
    no_gpu.check(gpus)
    onednn = _onednn()
    cores, count = processor.usable_cores(), len(local) if local else 1
    _set_threads(cores, 1 if gpus else count)
    chosen, why = _auto_precision(gpus, onednn) if precision == "auto" else (precision, "asked for")
    if not gpus and chosen == "bfloat16" and not onednn:
        raise UserError("--precision=bfloat16: oneDNN is off (TF_ENABLE_ONEDNN_OPTS=0), and without it bfloat16 "
                        "gradients are far slower than float32; unset TF_ENABLE_ONEDNN_OPTS or take float32")
    compiled, why_xla = _compiled(xla, bool(gpus), sync_norm)
    ours, why_ours = _by_winograd(convolutions, bool(gpus), chosen, compiled)
    if gpus or count == 1:
        threads = f"{cores} (the cores this process may use)"
    else:
        threads = f"{max(1, cores // count)} a replica, of {cores} cores"
    device = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU") if gpus else (
        f"{processor.name()}, {cores} core{'s' * (cores > 1)}")
    if not tf.config.list_physical_devices("GPU"):  # else the CPU was asked for
        device += f" ({no_gpu.why()})"
    return Compute(device="/GPU:0" if gpus else "/CPU:0", precision=chosen, xla=compiled,
                   by_winograd=ours, reasons={
        "device": device,
        "instructions": ", ".join(i for i in processor.INSTRUCTIONS if i in processor.flags()) or "unknown",
        "oneDNN": _onednn_state(onednn),
        "precision": f"{chosen} ({why})",
        "XLA": f"{'on' if compiled else 'off'} ({why_xla}); gather and augmentation always compiled",
        "convolutions": f"{'3×3 by our code in C' if ours else 'by TensorFlow'} ({why_ours})",
        "threads": threads,
        "versions": f"TensorFlow {tf.__version__}, Keras {keras.__version__}",
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
    limit = processor.onednn_limit()
    if limit and not any(arithmetic in limit for arithmetic in ("BF16", "FP16", "AMX", "AVX10")):
        return "float32", f"oneDNN is limited to {limit}, which has no bfloat16 arithmetic"
    for unit, name in (("amx_bf16", "matrix units"), ("avx512_bf16", "dot products")):
        if unit in processor.flags():
            return "bfloat16", f"the processor has bfloat16 {name}, {unit}"
    return "float32", "the processor has no bfloat16 arithmetic"


def _compiled(asked, gpu, sync_norm):
    """Whether XLA compiles the network, and why."""
    if asked != "auto":
        return asked == "on", "asked for"
    if sync_norm:  # on one device, too: the run may go on on several
        return False, "it can't hold the sums of --sync_batch_norm"
    return gpu, "GPU" if gpu else "on CPUs oneDNN's convolutions are faster than XLA's"


def _by_winograd(asked, gpu, precision, compiled):
    """Whether `winograd` computes, and why. Raises UserError where it was asked for and can't."""
    obstacle = "it is for CPUs" if gpu else "XLA can't hold it" if compiled else _lacks(precision)
    if asked == "winograd" and obstacle:
        raise UserError(f"--convolutions=winograd: {obstacle}; take auto")
    if asked != "auto":
        return asked == "winograd", "asked for"
    if obstacle:
        return False, f"our code in C: {obstacle}"
    if precision == "bfloat16" and "amx_bf16" in processor.flags():
        return False, "oneDNN's bfloat16 has matrix units, amx_bf16, which our code in C has not"
    vectors = "AVX-512" if winograd.wide() else "AVX2"
    return True, f"{precision}, {vectors}; where channels and filters are multiples of {winograd.LANES[precision]}"


def _lacks(precision):
    """What `winograd` lacks here to compute in a precision, in words; "" if nothing."""
    if precision not in winograd.LANES:
        return f"it is float32 or bfloat16, not {precision}"
    if missing := winograd.INSTRUCTIONS[precision] - processor.flags():
        return f"the processor has no {', '.join(sorted(missing))}"
    if not winograd.LIBRARY:
        return "it was not compiled, for want of a C compiler when cifar_fast was installed"
    if why := winograd.refused():
        return f"this TensorFlow does not load it ({short(why)})"
    if precision == "bfloat16":
        if not winograd.wide():
            return f"its bfloat16 is for AVX-512, and oneDNN is limited to {processor.onednn_limit()}"
        if not winograd.has_bfloat16():
            return "it was compiled without bfloat16, which that compiler did not know (GCC does from 10 on)"
    return ""


def _onednn():
    """Whether TensorFlow's CPU kernels are oneDNN's: asked of TensorFlow, since it reads the environment once. What
    knows it is private; where that is gone, it is what the environment says now."""
    enabled = private.part("util._pywrap_util_port", "IsMklEnabled")
    return bool(enabled()) if enabled else os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") != "0"


def _onednn_state(on):
    if not on:
        return "off: TF_ENABLE_ONEDNN_OPTS=0 or TensorFlow was imported before cifar_fast"
    limit = processor.onednn_limit()
    return f"on, limited to {limit} (ONEDNN_MAX_CPU_ISA)" if limit else "on"


def _set_threads(cores, count):
    try:
        tf.config.threading.set_intra_op_parallelism_threads(max(1, cores // count))
        tf.config.threading.set_inter_op_parallelism_threads(max(cores, count))
    except RuntimeError:
        pass  # TensorFlow has started already, as in a user's own script: its threads are the user's
