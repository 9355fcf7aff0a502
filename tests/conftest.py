"""What all tests share: TensorFlow as the command starts it, and a matplotlib that leaves the home folder alone."""
import os
import tempfile

from cifar_fast import environment

# Most of the suite's time is compilation; programs that run for a few steps need not be fast.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")
os.environ.setdefault("MPLCONFIGDIR", tempfile.gettempdir())
environment.prepare()  # oneDNN, which TensorFlow leaves off on some processors, too
