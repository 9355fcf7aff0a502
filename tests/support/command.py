"""`cifar_fast` command lines in processes of their own, forked from one that has imported TensorFlow already.

TensorFlow takes seconds to import. Each of pytest's workers has one fork server (`multiprocessing`'s), which imports
it once and never runs an operation: TensorFlow's threads start in the forks.
"""
import gc
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

PATIENCE = 120  # seconds until a command counts as hung
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["cifar_fast.cli", "cifar_fast.runs.train", "matplotlib.figure"])


def command_line(*arguments):
    from cifar_fast import cli
    return cli.main(["cifar_fast", *arguments])


class Command:
    """One that runs. After `wait`: `code` as a process ends with (minus the signal that ended it), `output`, `error`.

    Args:
      arguments: the command line, without the program's name; or those of `target`, a function that returns the code.
      variables: of the environment, beside pytest's. cores: the set that it may use.
    """

    def __init__(self, *arguments, variables=None, cores=None, target=command_line):
        self.folder = Path(tempfile.mkdtemp(prefix="command-"))
        variables = os.environ | (variables or {})  # the server has those of its own start
        self.process = SERVER.Process(target=_run, args=(self.folder, target, arguments, variables, cores))
        self.process.start()

    def alive(self):
        return self.process.is_alive()

    def signal(self, number=signal.SIGKILL):
        os.kill(self.process.pid, number)

    def wait(self):
        self.process.join(PATIENCE)
        if self.alive():
            self.signal()
            raise TimeoutError(f"still running after {PATIENCE} s")
        self.code = self.process.exitcode
        self.output, self.error = ((self.folder / name).read_text() for name in ("output", "error"))
        shutil.rmtree(self.folder)
        return self


def run(*arguments, **options):
    """A `Command` that has ended well."""
    done = Command(*arguments, **options).wait()
    assert done.code == 0, done.error
    return done


def _run(folder, target, arguments, variables, cores):
    for name, number in (("output", 1), ("error", 2)):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.environ.update(variables)
    gc.freeze()  # a run looks for its garbage when it ends; what the server has imported is none
    if cores:
        os.sched_setaffinity(0, cores)
    import tensorflow as tf
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})  # as in pytest's own processes
    sys.exit(target(*arguments))
