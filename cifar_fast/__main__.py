"""`cifar_fast`, or `python -m cifar_fast`: sets TensorFlow's environment, then runs the command line."""
import os
import sys

from cifar_fast import cli, environment


def main():
    environment.prepare()
    try:
        code = cli.main(sys.argv)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, `head` for one, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)


if __name__ == "__main__":
    main()
