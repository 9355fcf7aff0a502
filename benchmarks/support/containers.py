"""`cifar_fast` where folders are lacking, as in containers. A program, for they must lack from the first import on:

    python -m benchmarks.support.containers LACKING[,LACKING] COMMAND [--flag=value ...]
"""
import os
import pwd
import sys
import tempfile

from cifar_fast import cli, environment

NOWHERE = "/proc/nowhere"  # nobody can make a file or a folder there


def no_temporary_folder():
    tempfile._candidate_tempdir_list = lambda: [NOWHERE]


def no_home():
    os.environ["HOME"] = NOWHERE


def no_user():
    """The process's number is no user's, and nothing says where its home is."""
    def unknown(user):
        raise KeyError(user)
    os.environ.pop("HOME", None)
    pwd.getpwuid = pwd.getpwnam = unknown


LACKING = {"temporary folder": no_temporary_folder, "home": no_home, "user": no_user}


def main(lacking, *arguments):
    for name in ("MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "KERAS_HOME"):
        os.environ.pop(name, None)
    for name in lacking.split(","):
        LACKING[name]()
    environment.prepare()
    environment.start()
    import tensorflow as tf
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})  # as in `children`
    return cli.main(["cifar_fast", *arguments])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
