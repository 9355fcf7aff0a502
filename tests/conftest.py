"""What all tests share: a quiet TensorFlow, and a matplotlib that leaves the home folder alone."""
import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLCONFIGDIR", tempfile.gettempdir())
