"""The commands: each turns its flags into a `Config` and calls what it names.

TensorFlow is imported by the commands that need it, so that `--help` and a mistyped flag answer at once.
"""
import contextlib
import errno
import json
import os
import signal
import sys

from cifar_fast import environment, recipes
from cifar_fast.cli import help
from cifar_fast.cli.flags import HELD_OUT, HELP, OUT, Help, config_of, parse
from cifar_fast.config import OF_EVALUATION
from cifar_fast.errors import UserError
from cifar_fast.system import paths
from cifar_fast.system.streams import OutputError, say, warn

LAUNCH = ("launch: expected the workers' command after two dashes: cifar_fast launch --workers=2 -- train "
          "--flag=value ...")


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
    except Help as asked:
        say(help.text(asked))
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


def _train(values):
    config = config_of(values)
    environment.start()
    from cifar_fast.runs import train
    return train.run(config).code


def _evaluate(values):
    config = _config_of_run(values, OF_EVALUATION)
    environment.start()
    from cifar_fast.runs import saved
    say(json.dumps(saved.evaluate(config, values["which"].value)))


def _predict(values):
    if not values["images"].value:
        raise UserError("--images: missing; give an image, a folder, archive or table of images, or an .npz")
    config, out = _config_of_run(values, ["precision", "tta"]), _out(values, "predict")
    images = paths.local(values["images"].value, "--images")
    environment.start()
    from cifar_fast.runs import predict
    count, damaged = predict.predict(config, images, out, values["which"].value, values["probabilities"].value,
                                     values["skip_damaged"].value or config.skip_damaged,
                                     values["image_column"].value)
    for line in damaged:
        warn(f"left out: {line}")
    say(f"wrote {out}: {count:,} image{'s' * (count != 1)}")


def _export(values):
    config = _config_of_run(values, ["data_dir"])
    environment.start()
    from cifar_fast.runs import saved
    say(f"wrote {saved.export(config, values['which'].value, values['format'].value)}")


def _config_of_run(values, names):
    """The `Config` of the run in --workdir, but for those of the named flags that are given."""
    from cifar_fast.runs.directory import workdir
    given = {name: values[name].value for name in names if values[name].present}
    return workdir.config_of_run(values["workdir"].value, **given)


def _devices(values):
    config = config_of(values)
    environment.start()
    from cifar_fast.machine import runtime
    say(runtime.decide(config).banner())


def _describe(values):
    config = config_of(values)
    environment.start()
    from cifar_fast.runs import describe
    for line in describe.lines(config):
        say(line)


def _augment(values):
    config = config_of(values)
    environment.start()
    from cifar_fast.runs.reports import preview
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
    environment.start()
    from cifar_fast.study.study import Study
    studydir = paths.local(values["studydir"].value, "--studydir")
    return Study(found, seeds, studydir, values["baseline"].value, values["target"].value).run()


def _compare(values):
    environment.start()
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
