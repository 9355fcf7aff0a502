"""What all tests share: a quiet TensorFlow, and a matplotlib that leaves the home folder alone."""
import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Most of the suite's time is compilation; programs that run for a few steps need not be fast.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")
os.environ.setdefault("MPLCONFIGDIR", tempfile.gettempdir())
