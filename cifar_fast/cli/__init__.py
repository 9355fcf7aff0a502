"""The command line. Only here are flags seen."""
from cifar_fast.cli.commands import cannot_print, main
from cifar_fast.cli.flags import COMMANDS, Help, config_for, config_of, define, parse

__all__ = ["COMMANDS", "Help", "cannot_print", "config_for", "config_of", "define", "main", "parse"]
