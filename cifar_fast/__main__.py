"""`cifar_fast`, or `python -m cifar_fast`: sets TensorFlow's environment, then runs the command line."""
import os
import sys

from cifar_fast import cli, environment
from cifar_fast.system import streams


def main():
    streams.prepare()
    os.environ["MPLBACKEND"] = "agg"  # a notebook's need not be there for us, and would end Keras's import
    environment.prepare()
    try:
        code = cli.main(sys.argv)
        sys.stdout.flush()
    except OSError as error:
        code = cli.cannot_print(error)
    sys.exit(code)


if __name__ == "__main__":
    main()
