"""What --help and --version show."""
import dataclasses

from cifar_fast import __version__
from cifar_fast.cli.flags import COMMANDS, FLAGFILES, OUT, OWN, USED, define
from cifar_fast.config import Config

GROUPS = tuple(dict.fromkeys(field.metadata["group"] for field in dataclasses.fields(Config)))
OF_RUN = {"workdir": ("the run to read", Config.workdir),  # in place of train's help and default
          "data_dir": ("other labelled data, or the run's where they are now; export reads them only for a run of "
                       "before version 0.2, which kept no statistics", "the run's")}
OF_PREDICTION = {"image_column": ("a table's column of images or their paths; of a folder or archive it asks for the "
                                  "tables there", "found by looking"),
                 "tta": ("average each image's prediction over it and its mirror image, or over these and four moved "
                         "by a pixel; _quarter: of the least certain quarter alone (none, mirror, translate, "
                         "mirror_quarter, translate_quarter)", "the run's")}


def text(asked):
    """What a `flags.Help` asks for."""
    return f"cifar_fast {__version__}" if asked.version else _help(asked.command)


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
                known = OF_RUN | (OF_PREDICTION if command == "predict" else {})
                text, default = known.get(field.name, (text, "the run's"))
            lines += _flag_help(field.name, default, text)
    return "\n".join(lines)


def _flag_help(name, default, text):
    default = str(default).lower() if isinstance(default, bool) else default
    default = "" if default is None else f" [default: {default}]"
    return [f"  --{name}", f"      {text}{default}"]
