"""TensorFlow's environment: set before the import, kept where the user has set it."""
import os
import subprocess
import sys

import pytest
import tensorflow as tf

from benchmarks.support.children import errors
from cifar_fast import environment
from tests.support.command import run


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
    code = ("import sys; import cifar_fast.cli, cifar_fast.data.sources, cifar_fast.runs.directory.checkpoint; "
            "print('tensorflow' in sys.modules)")
    assert child(code).stdout.strip() == "False"


def test_quiet_holds_back_native_output_and_shows_it_on_an_error():
    write = "import os; from cifar_fast.environment import quiet\nwith quiet():\n os.write(2, b'noise')\n"
    assert child(write).stderr == ""
    failed = child(write + " raise SystemExit(3)")
    assert failed.returncode == 3 and failed.stderr == "noise"


NO_TEMPORARY = "import tempfile; tempfile._candidate_tempdir_list = lambda: ['/no/such/folder']\n"
NO_HOME = ("import os, pwd; os.environ.pop('HOME', None)\ndef unknown(user): raise KeyError(user)\n"
           "pwd.getpwuid = pwd.getpwnam = unknown\n")


@pytest.mark.parametrize("lacking", ["import os; os.close(2)\n", "import sys; sys.stderr = None\n", NO_TEMPORARY])
def test_quiet_does_without(lacking):
    """A standard error, or a place to hold what would be written there."""
    done = child(lacking + "from cifar_fast.environment import quiet\nwith quiet():\n print('done')\n")
    assert done.stdout == "done\n" and not done.stderr


@pytest.mark.parametrize("lacking", ["", NO_HOME])
def test_the_cache_of_xla_is_left_out_where_it_cannot_be_written(lacking, tmp_path):
    """Where there is a driver of NVIDIA's: TensorFlow would fail whenever it compiles."""
    code = lacking + ("import os; from pathlib import Path; from cifar_fast import environment as e\n"
                      "e.NVIDIA_DRIVER = Path('/')\ne.prepare(); print(os.environ.get('TF_XLA_FLAGS'))")
    (tmp_path / "file").write_text("no folder")
    place = {} if lacking == NO_HOME else {"XDG_CACHE_HOME": f"{tmp_path}/file"}
    assert child(code, **place).stdout == "None\n"
    if not lacking:
        folder = child(code, XDG_CACHE_HOME=f"{tmp_path}/there").stdout.strip().partition("=")[2]
        assert folder.startswith(f"{tmp_path}/there/cifar_fast/xla-") and os.path.isdir(folder)


def test_the_flag_of_xla_is_left_out_of_a_tensorflow_that_may_not_know_it(tmp_path):
    """It would end the process there. That this one knows it is shown by what it stores."""
    code = ("import importlib.metadata as m; m.version = lambda name: '2.99.0'\nimport os; from pathlib import Path\n"
            "from cifar_fast import environment as e; e.NVIDIA_DRIVER = Path('/'); e.prepare()\n"
            "print(os.environ.get('TF_XLA_FLAGS'))")
    assert child(code, XDG_CACHE_HOME=str(tmp_path)).stdout == "None\n"
    compiled = "import tensorflow as tf; tf.function(lambda: tf.range(9) + 1, autograph=False, jit_compile=True)()"
    run(compiled, {}, target=exec, variables={"TF_XLA_FLAGS": f"--tf_xla_persistent_cache_directory={tmp_path}/kept"})
    assert os.listdir(tmp_path / "kept")


HERE = "import sys; sys.argv[0] = 'cifar_fast'; from cifar_fast.__main__ import main; main()"
TRAIN = ["train", "--dataset=synthetic", "--train_examples=32", "--test_examples=20", "--units=3", "--filters=2",
         "--batch_size=8", "--epochs=1", "--precision=float32", "--workdir=run"]


@pytest.mark.parametrize("lacking, home, command", [
    (NO_TEMPORARY, "home", ["devices"]), ("", "/proc/home", TRAIN), (NO_TEMPORARY + NO_HOME, "", TRAIN)],
    ids=["no temporary folder", "no home", "no user"])
def test_commands_do_without_a_temporary_folder_and_a_home(lacking, home, command, tmp_path):
    """In a process of their own, as TensorFlow, Keras and Matplotlib ask for these when they are imported. A notebook's
    shell hands on a backend of Matplotlib's that need not be there; here is one that is nowhere."""
    (tmp_path / "home").mkdir()
    plain = {k: v for k, v in os.environ.items() if k not in ("MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")}
    variables = {"HOME": str(tmp_path / home), "PYTHONPATH": os.getcwd(), "MPLBACKEND": "module_of_a_notebook"}
    done = subprocess.run([sys.executable, "-c", lacking + HERE, *command], cwd=tmp_path, env=plain | variables,
                          capture_output=True, text=True)
    assert done.returncode == 0 and not errors(done.stderr) and "left out" not in done.stdout, done
    if command == TRAIN:
        assert {path.name for path in (tmp_path / "run" / "plots").iterdir()} == {
            "augmentation.png", "classes.png", "confusion.png", "curves.png", "mistakes.png"}
        assert {path.name for path in tmp_path.iterdir()} == {"home", "run"}  # and no "~"
