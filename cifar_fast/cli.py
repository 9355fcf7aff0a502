"""The command line: turns flags into a `Config` and calls what the command names. Only this file sees FLAGS.

TensorFlow is imported by the commands that need it, so that `--help` and a mistyped flag answer at once.
"""
import contextlib
import dataclasses
import errno
import json
import os
import signal
import sys
import typing

from absl import flags

from cifar_fast import __version__, environment, flagfiles, paths, recipes
from cifar_fast.config import OF_EVALUATION, Config
from cifar_fast.errors import UserError, nearest
from cifar_fast.streams import OutputError, say, warn

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
GROUPS = tuple(dict.fromkeys(field.metadata["group"] for field in dataclasses.fields(Config)))
FIELDS = tuple(field.name for field in dataclasses.fields(Config))
STUDY = ("studydir", "seeds", "vary", "list", "baseline", "target", "final")
# Flags that are no field of `Config`.
OWN = ("recipe", "which", "format", "workers", "images", "out", "probabilities", *STUDY)
HELD_OUT = 5000  # images that a study evaluates on in place of the test set
FLAGFILES = ("flagfile", "recipe")
HELP = {"--help", "-h", "--helpfull"}
VERSION = {"--version", "-V", "version"}
LAUNCH = ("launch: expected the workers' command after two dashes: cifar_fast launch --workers=2 -- train "
          "--flag=value ...")
OF_RUN = {"workdir": ("the run to read", Config.workdir),  # in place of train's help and default
          "data_dir": ("other labelled data, or the run's where they are now; export reads them only for a run of "
                       "before version 0.2, which kept no statistics", "the run's")}
# What --out is where it is left out.
OUT = {"augment": "augmentation.png", "predict": "predictions.csv", "compare": "comparison"}
USED = {"train": (*FLAGFILES, *FIELDS), "evaluate": ("flagfile", "workdir", *OF_EVALUATION, "which"),
        "predict": ("flagfile", "workdir", "skip_damaged", "precision", "which", "images", "out", "probabilities"),
        "export": ("flagfile", "workdir", "data_dir", "which", "format"), "augment": (*FLAGFILES, *FIELDS, "out"),
        "describe": (*FLAGFILES, *FIELDS), "compare": ("out", "baseline", "target"),
        "study": (*FLAGFILES, *STUDY, *(name for name in FIELDS if name not in ("seed", "workdir"))),
        "launch": ("workers",), "recipes": (),
        "devices": (*FLAGFILES, "precision", "xla", "convolutions", "filters", "strategy", "num_devices",
                    "logical_cpus", "batch_size", "sync_batch_norm", "reduce_in", "mixup", "cutmix")}


def main(argv):
    """Runs a command line, its first word the program. Returns the exit code."""
    try:
        own, inner = _split(argv[1:])
        command, values = parse(own)
        if command == "launch":
            return _launch(values, inner)
        run = {"train": _train, "evaluate": _evaluate, "predict": _predict, "export": _export, "devices": _devices,
               "describe": _describe, "augment": _augment, "recipes": _recipes, "study": _study, "compare": _compare}
        return run[command](values) or 0
    except UserError as error:
        warn(f"cifar_fast: {error}")
        return 1
    except KeyboardInterrupt:
        warn("cifar_fast: interrupted")
        return 128 + signal.SIGINT
    except _Help as text:
        say(text)
        return 0
    except OutputError as error:
        return cannot_print(error)
    except OSError as error:  # of the machine: those of files that the user has named come as UserErrors
        warn(f"cifar_fast: {error}")
        return 1


def cannot_print(error):
    """Standard output takes no more, by an OSError: says so, unless its reader has left. Returns the exit code."""
    with contextlib.suppress(OSError, AttributeError):  # or Python would say so once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno == errno.EPIPE:
        return 128 + signal.SIGPIPE
    warn(f"cifar_fast: can't write standard output ({error.strerror}); what is saved stays")
    return 1


def _split(arguments):
    """`launch`'s own arguments and, after its "--", those of its workers; of other commands all are their own."""
    if arguments[:1] != ["launch"]:
        return arguments, []
    if "--" not in arguments:
        if HELP & set(arguments):
            return arguments, []
        raise UserError(LAUNCH)
    place = arguments.index("--")
    return arguments[:place], arguments[place + 1:]


def parse(arguments):
    """Arguments → (command, FlagValues). Raises UserError for anything that doesn't parse."""
    if not arguments or arguments[0] in ("--help", "-h", "help", "--helpfull"):
        raise _Help(_help(None))
    command, *rest = arguments
    if command in VERSION:
        raise _Help(f"cifar_fast {__version__}")
    if command not in COMMANDS:
        raise UserError(f"unknown command {command!r}{nearest(command, COMMANDS)}: expected one of "
                        f"{', '.join(COMMANDS)}; see cifar_fast --help")
    if HELP & set(rest):
        raise _Help(_help(command))
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
    flags.DEFINE_string("images", None, "an image, a folder or archive (.zip, .tar) of images, or an .npz with an "
                        "array x of them; no labels are needed", flag_values=values)
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


def _train(values):
    config = config_of(values)
    _start_tensorflow()
    from cifar_fast.runs import train
    return train.run(config).code


def _evaluate(values):
    config = _config_of_run(values, OF_EVALUATION)
    _start_tensorflow()
    from cifar_fast.runs import saved
    say(json.dumps(saved.evaluate(config, values["which"].value)))


def _predict(values):
    if not values["images"].value:
        raise UserError("--images: missing; give an image, a folder or archive of images, or an .npz")
    config, out = _config_of_run(values, ["precision"]), _out(values, "predict")
    images = paths.local(values["images"].value, "--images")
    _start_tensorflow()
    from cifar_fast.runs import predict
    count, damaged = predict.predict(config, images, out, values["which"].value, values["probabilities"].value,
                                     values["skip_damaged"].value or config.skip_damaged)
    for line in damaged:
        warn(f"left out: {line}")
    say(f"wrote {out}: {count:,} image{'s' * (count != 1)}")


def _export(values):
    config = _config_of_run(values, ["data_dir"])
    _start_tensorflow()
    from cifar_fast.runs import saved
    say(f"wrote {saved.export(config, values['which'].value, values['format'].value)}")


def _config_of_run(values, names):
    """The `Config` of the run in --workdir, but for those of the named flags that are given."""
    from cifar_fast.runs import workdir
    given = {name: values[name].value for name in names if values[name].present}
    return workdir.config_of_run(values["workdir"].value, **given)


def _devices(values):
    config = config_of(values)
    _start_tensorflow()
    from cifar_fast.machine import runtime
    say(runtime.decide(config).banner())


def _describe(values):
    config = config_of(values)
    _start_tensorflow()
    from cifar_fast.runs import describe
    for line in describe.lines(config):
        say(line)


def _augment(values):
    config = config_of(values)
    _start_tensorflow()
    from cifar_fast.runs import preview
    from cifar_fast.training import trainer
    out = _out(values, "augment")
    preview.draw_augmentation(config, trainer.load_data(config), out)
    say(f"wrote {out}")


def _study(values):
    from cifar_fast.study import variants
    if values["final"].value and values["validation_examples"].value:
        raise UserError("--final --validation_examples: take one of them, a study is evaluated on one set of images")
    held_out = {} if values["final"].value or values["validation_examples"].present else {
        "validation_examples": HELD_OUT}
    base = config_of(values, **held_out)
    if values["list"].value and values["vary"].value:
        raise UserError("--list --vary: take one of them")
    listed = values["list"].value and paths.local(values["list"].value, "--list")
    found = variants.listed(base, listed) if listed else variants.combinations(base, values["vary"].value)
    seeds = variants.seeds(values["seeds"].value)
    _start_tensorflow()
    from cifar_fast.study.study import Study
    studydir = paths.local(values["studydir"].value, "--studydir")
    return Study(found, seeds, studydir, values["baseline"].value, values["target"].value).run()


def _compare(values):
    _start_tensorflow()
    from cifar_fast.study import compare
    compare.compare([paths.local(folder, "compare") for folder in values["folders"].value],
                    _out(values, "compare"), values["baseline"].value, values["target"].value)


def _out(values, command):
    return paths.local(OUT[command] if values["out"].value is None else values["out"].value, "--out")


def _launch(values, arguments):
    if not arguments or parse(arguments)[0] != "train":
        raise UserError(LAUNCH)
    from cifar_fast.machine import launch
    return launch.launch(values["workers"].value, arguments)


def _recipes(_):
    width = max(map(len, recipes.names()))
    for name, line in recipes.names().items():
        say(f"{name:<{width}}  {line}")


def _start_tensorflow():
    """Imports TensorFlow and lets it look for devices, without the lines that it writes meanwhile."""
    with environment.quiet():
        import tensorflow as tf
        tf.config.list_physical_devices()


class _Help(Exception):
    """The text that --help asks for, or --version."""


def _help(command):
    lines = []
    if command is None:
        lines += ["cifar_fast: a high-throughput CIFAR-10 and CIFAR-100 trainer", "",
                  "usage: cifar_fast COMMAND [--flag=value ...]", "", "commands:"]
        lines += [f"  {name:<9} {text}" for name, text in COMMANDS.items()]
        lines += ["", "cifar_fast COMMAND --help shows a command's flags, cifar_fast --version the version; the first "
                  "to know:"]
        shown = (*FLAGFILES, "dataset", "data_dir", "workdir", "epochs", "batch_size", "learning_rate", "seed",
                 "precision")
    else:
        lines += [f"cifar_fast {command}: {COMMANDS[command]}"]
        shown = USED[command]
    if "flagfile" in shown:
        lines += _flag_help("flagfile", None, "read flags from a file; flags given beside it win")
    own = define()
    for name in OWN:
        if name in shown:
            default = OUT[command] if name == "out" else own[name].default
            lines += _flag_help(name, default, own[name].help)
    for group in GROUPS:
        fields = [f for f in dataclasses.fields(Config) if f.metadata["group"] == group]
        fields = [f for f in fields if f.name in shown]
        if fields:
            lines += ["", f"{group}:"]
        for field in fields:
            choices = field.metadata["choices"]
            text, default = field.metadata["help"] + (f" ({', '.join(choices)})" if choices else ""), field.default
            if command in ("evaluate", "predict", "export"):
                text, default = OF_RUN.get(field.name, (text, "the run's"))
            lines += _flag_help(field.name, default, text)
    return "\n".join(lines)


def _flag_help(name, default, text):
    default = str(default).lower() if isinstance(default, bool) else default
    default = "" if default is None else f" [default: {default}]"
    return [f"  --{name}", f"      {text}{default}"]
