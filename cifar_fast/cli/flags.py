"""The flags: those of `Config`, made from its fields, and the commands' own; and how a command line is read."""
import dataclasses
import typing

from absl import flags

from cifar_fast import recipes
from cifar_fast.cli import flagfiles
from cifar_fast.config import OF_EVALUATION, Config
from cifar_fast.errors import UserError, nearest

COMMANDS = {
    "train": "train a network, or go on with the unfinished run in --workdir",
    "evaluate": "evaluate the best (or --which=last) checkpoint of --workdir; prints a line of JSON",
    "predict": "write what the best (or --which=last) checkpoint of --workdir takes --images for into --out, as CSV",
    "export": "write the best (or --which=last) network of --workdir there for other programs: pixels to probabilities",
    "devices": "say which hardware, precision, XLA and threads would be used, and why",
    "describe": "print the network as a table, the steps and arithmetic of the run, and the hours it would take here",
    "augment": "draw a sheet of training images before and after augmentation into --out",
    "study": "train every --vary or --list variant with every seed in --studydir, and print a table that compares them",
    "compare": "compare finished runs in such a table: cifar_fast compare DIR DIR ... [--out=FOLDER]",
    "launch": "train in several processes of this machine: cifar_fast launch --workers=2 -- train --flag=value ...",
    "recipes": "list the recipes that --recipe=NAME takes",
}
DEFINE = {int: flags.DEFINE_integer, float: flags.DEFINE_float, str: flags.DEFINE_string, bool: flags.DEFINE_bool}
FIELDS = tuple(field.name for field in dataclasses.fields(Config))
STUDY = ("studydir", "seeds", "vary", "list", "baseline", "target", "final")
# Flags that are no field of `Config`.
OWN = ("recipe", "which", "format", "workers", "images", "out", "probabilities", *STUDY)
HELD_OUT = 5000  # images that a study evaluates on in place of the test set
FLAGFILES = ("flagfile", "recipe")
HELP = {"--help", "-h", "--helpfull"}
VERSION = {"--version", "-V", "version"}
# What --out is where it is left out.
OUT = {"augment": "augmentation.png", "predict": "predictions.csv", "compare": "comparison"}
USED = {"train": (*FLAGFILES, *FIELDS), "evaluate": ("flagfile", "workdir", *OF_EVALUATION, "which"),
        "predict": ("flagfile", "workdir", "image_column", "skip_damaged", "precision", "tta", "which", "images", "out",
                    "probabilities"),
        "export": ("flagfile", "workdir", "data_dir", "which", "format"), "augment": (*FLAGFILES, *FIELDS, "out"),
        "describe": (*FLAGFILES, *FIELDS), "compare": ("out", "baseline", "target"),
        "study": (*FLAGFILES, *STUDY, *(name for name in FIELDS if name not in ("seed", "workdir"))),
        "launch": ("workers",), "recipes": (),
        "devices": (*FLAGFILES, "precision", "xla", "convolutions", "filters", "strategy", "num_devices",
                    "logical_cpus", "batch_size", "sync_batch_norm", "reduce_in", "mixup", "cutmix")}


class Help(Exception):
    """What a command line asks to be shown: of a command, or of all if it is None; version: the version alone."""

    def __init__(self, command=None, version=False):
        super().__init__()
        self.command, self.version = command, version


def parse(arguments):
    """Arguments → (command, FlagValues). Raises UserError for anything that doesn't parse."""
    if not arguments or arguments[0] in ("--help", "-h", "help", "--helpfull"):
        raise Help
    command, *rest = arguments
    if command in VERSION:
        raise Help(version=True)
    if command not in COMMANDS:
        raise UserError(f"unknown command {command!r}{nearest(command, COMMANDS)}: expected one of "
                        f"{', '.join(COMMANDS)}; see cifar_fast --help")
    if HELP & set(rest):
        raise Help(command)
    for name in ("flagfile", *OWN, *FIELDS):
        if name not in USED[command] and _given(rest) & {name, f"no{name}"}:
            raise UserError(f"--{name}: {command} has no use for it; see cifar_fast {command} --help")
    values = define()
    left = _assign(values, rest, USED[command], f"see cifar_fast {command} --help")
    if values["recipe"].present:  # of the command line `_expand` leaves none
        raise UserError(f"--recipe={values['recipe'].value} in a flagfile: only a command line may name a recipe; "
                        "give it beside the flagfile")
    if command == "compare":
        values["folders"].value, left = left, []
    if left:
        raise UserError(f"unexpected argument {left[0]!r}: flags are written --name=value; "
                        f"see cifar_fast {command} --help")
    return command, values


def define():
    """All flags, in a FlagValues of their own: importing this file defines nothing globally."""
    values = flags.FlagValues()
    for field in dataclasses.fields(Config):
        kind, *_ = typing.get_args(field.type) or [field.type]  # int | None is an int that may be left out
        DEFINE[kind](field.name, field.default, field.metadata["help"], flag_values=values)
    flags.DEFINE_string("recipe", None, "a flagfile by name, see cifar_fast recipes", flag_values=values)
    flags.DEFINE_enum("which", "best", ["best", "last"], "which checkpoint", flag_values=values)
    flags.DEFINE_enum("format", "saved_model", ["saved_model", "keras", "onnx"], "what to write: TensorFlow's "
                      "SavedModel, a model of Keras's own layers to go on with, or ONNX (an extra, [onnx])",
                      flag_values=values)
    flags.DEFINE_integer("workers", 2, "how many processes", lower_bound=1, flag_values=values)
    flags.DEFINE_string("out", None, "the file or folder to write", flag_values=values)
    flags.DEFINE_string("studydir", "studies/latest", "the folder of the study; an unfinished one goes on, and several "
                        "processes may share it", flag_values=values)
    flags.DEFINE_string("seeds", "0:3", "the seeds of each variant, FIRST:END or a list", flag_values=values)
    flags.DEFINE_multi_string("vary", [], "a flag and its values, learning_rate=0.04,0.05; again for every combination "
                              "with another's", flag_values=values)
    flags.DEFINE_string("list", None, "a file with a variant a line, its flags, in place of --vary", flag_values=values)
    flags.DEFINE_string("baseline", None, "the variant that others are compared with; the first if left out",
                        flag_values=values)
    flags.DEFINE_float("target", None, "test whether accuracy is above this share, such as 0.9342", lower_bound=0,
                       upper_bound=1, flag_values=values)
    flags.DEFINE_bool("final", False, "evaluate on the test set; otherwise on --validation_examples held out, "
                      f"{HELD_OUT:,} where it is not given", flag_values=values)
    flags.DEFINE_multi_string("folders", [], "what stands after compare", flag_values=values)
    flags.DEFINE_string("images", None, "an image, a folder or archive (.zip, .tar) of images, a table of them "
                        "(CSV or Parquet), or an .npz with an array x; no labels are needed", flag_values=values)
    flags.DEFINE_bool("probabilities", False, "add a column for the probability of each class", flag_values=values)
    return values


def config_of(values, **changes):
    """FlagValues → `Config`."""
    return Config(**{n: values[n].value for n in FIELDS} | changes)


def config_for(arguments, **changes):
    """The `Config` of `cifar_fast train ARGUMENTS`. Raises UserError."""
    return config_of(parse(["train", *arguments])[1], **changes)


def _given(arguments):
    """The names of the flags on the line itself; a flagfile may hold those of other commands, too."""
    return {word.lstrip("-").partition("=")[0] for word in arguments if word.startswith("-")}


def _assign(values, arguments, known, hint):
    """Gives FlagValues what stands in the arguments. Returns those that are no flags. known: the names that a mistyped
    one may be meant for. Raises UserError."""
    try:
        return values(["cifar_fast", *_expand(arguments)])[1:]
    except flags.UnrecognizedFlagError as error:
        raise UserError(f"--{error.flagname}: no such flag{nearest(error.flagname, known)}; {hint}") from None
    except (flags.Error, ValueError) as error:
        raise UserError(" ".join(str(error).split()) + f"; {hint}") from None


def _expand(arguments):
    """The lines of flagfiles and recipes in their place, and before the rest: what is given beside them wins."""
    lines, rest, words = [], [], iter(arguments)
    for word in words:
        name, given, value = word.lstrip("-").partition("=")
        if word.startswith("-") and name in FLAGFILES:
            value = value if given else next(words, "")
            lines += flagfiles.read(recipes.find(value) if name == "recipe" else value)
        else:
            rest.append(word)
    return lines + rest
