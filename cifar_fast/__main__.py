"""`cifar_fast`, or `python -m cifar_fast`: sets TensorFlow's environment, then runs the command line."""
import sys

from cifar_fast import cli, environment


def main():
    environment.prepare()
    sys.exit(cli.main(sys.argv))


if __name__ == "__main__":
    main()
