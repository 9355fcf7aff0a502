"""TensorFlow's environment: set before the import, kept where the user has set it."""
import os
import subprocess
import sys

import pytest
import tensorflow as tf

from cifar_fast import environment


def child(code, **variables):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "KERAS"))}
    return subprocess.run([sys.executable, "-c", code], env=clean | variables, capture_output=True, text=True)


SHOW = ("import os; from cifar_fast import environment as e; e.prepare(); "
        "print(os.environ['TF_ENABLE_ONEDNN_OPTS'], os.environ['KERAS_BACKEND'])")


def test_onednn_is_asked_for_and_keras_runs_on_tensorflow():
    assert child(SHOW, KERAS_BACKEND="jax").stdout.split() == ["1", "tensorflow"]


def test_what_the_user_has_set_is_kept():
    assert child(SHOW, TF_ENABLE_ONEDNN_OPTS="0").stdout.split()[0] == "0"


def test_too_late_is_an_error():
    assert tf.__version__
    with pytest.raises(RuntimeError, match="before tensorflow is imported"):
        environment.prepare()


def test_the_library_and_the_command_line_do_not_import_tensorflow():
    code = ("import sys; import cifar_fast.cli, cifar_fast.data.sources, cifar_fast.runs.checkpoint; "
            "print('tensorflow' in sys.modules)")
    assert child(code).stdout.strip() == "False"


def test_quiet_holds_back_native_output_and_shows_it_on_an_error():
    write = "import os; from cifar_fast.environment import quiet\nwith quiet():\n os.write(2, b'noise')\n"
    assert child(write).stderr == ""
    failed = child(write + " raise SystemExit(3)")
    assert failed.returncode == 3 and failed.stderr == "noise"
