"""What all tests share: TensorFlow as the command starts it, on CPUs; a matplotlib that leaves the home alone."""
import gc
import importlib.metadata
import os
import signal
import tempfile

from cifar_fast import environment
from cifar_fast.system import private

# Most of the suite's time is compilation; programs that run for a few steps need not be fast. XLA ends the process on a
# flag that it does not know.
FLAGS = ["--xla_backend_optimization_level=0", "--xla_llvm_disable_expensive_passes=true"]
if importlib.metadata.version("tensorflow").startswith(("2.20.", "2.21.")):
    FLAGS.append("--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(FLAGS) if private.knows_xla_flags() else "")
os.environ.setdefault("MPLCONFIGDIR", tempfile.gettempdir())
# What a shell may hold for real runs: other workers, GPUs, a limit on the instructions.
for name in [n for n in os.environ if n in ("TF_CONFIG", "ONEDNN_MAX_CPU_ISA") or n.startswith("SLURM_")]:
    del os.environ[name]
os.environ["CUDA_VISIBLE_DEVICES"] = ""
environment.prepare()  # oneDNN, which TensorFlow leaves off on some processors, too


def pytest_configure(config):
    # As a terminal's process has them: one in the background, or under nohup, ignores some, and so would its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if getattr(config.option, "numprocesses", None):
        return  # pytest-xdist's controller: it runs no test, and its workers wait for it
    with environment.quiet():
        import tensorflow as tf
    # As above, of graphs; `python -m cifar_fast` in a process of its own has its graphs optimized, as users have them.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    # For replicas; here, because a test module may start TensorFlow's devices when it is imported.
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 4)
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        # A core for each of pytest's workers: threads of all on all cores mostly wait for each other.
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


def pytest_collection_finish():
    gc.freeze()  # a run looks for its garbage when it ends; what is imported by now is none


def pytest_collection_modifyitems(items):
    """The modules with long tests where two workers of pytest's begin, at the start and in the middle, so that no core
    is left with one at the end."""
    starts = ("test_workers", "test_parallel"), ("test_faults", "test_train")
    first, second = ([i for name in names for i in items if i.module.__name__ == name] for names in starts)
    rest = [item for item in items if item not in first and item not in second]
    middle = max(0, len(items) // 2 - len(first))
    items[:] = [*first, *rest[:middle], *second, *rest[middle:]]
