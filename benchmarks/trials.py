"""Trials: other schedules for programs that `benchmarks.export` wrote. What they may change, and what they then train.

The programs hold the network, the augmentation and the optimizer; they take the rates and the order of the examples.
So those can differ from one training to the next, and nothing is compiled again.
"""
from cifar_fast import cli
from cifar_fast.errors import UserError
from cifar_fast.training import plan

OPEN = {"seed", "epochs", "image_sizes", "learning_rate", "schedule", "decay", "warmup", "cooldown", "final_rate",
        "prune", "prune_easy", "prune_first", "prune_last"}  # the flags that no program holds


def read(path, exported):
    """The trials of a text file, one a line: a list of lists of flags.

    Args:
      path: a Path. exported: a dict, what `export` says of its programs.
    Raises:
      UserError: the file can't be read, or has a line that the programs can't train.
    """
    try:
        lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise UserError(f"--trials={path}: {error}; expected a text file, on each line a trial's flags") from error
    for flags in lines:
        planned(flags, exported)
    return lines


def planned(flags, exported):
    """The `Config` and the epochs (see `plan.epochs`) of a trial's flags over the exported ones.

    Raises:
      UserError: a wrong flag, one that the programs hold, or epochs for which there are no programs.
    """
    said = "--trials: " + " ".join(flags)
    before, config = (cli.config_for([*exported["flags"], *f]) for f in ([], flags))
    held = [n for n in vars(config) if n not in OPEN and getattr(config, n) != getattr(before, n)]
    if held:
        raise UserError(f"{said}: the programs hold another --{held[0]}; a trial can change only "
                        f"{', '.join(sorted(OPEN))}; export them with that flag")
    epochs, written = (plan.epochs(c, exported["train"][0]) for c in (config, before))
    needed = {program(e, exported["train"]) for e in epochs}
    if not needed <= set(exported["programs"]):
        raise UserError(f"{said}: needs {', '.join(sorted(needed))}, but the export has "
                        f"{', '.join(sorted(exported['programs']))}; export it with all --image_sizes")
    lengths, steps = sorted({e.steps for e in epochs}), exported["steps"]
    if any(n % steps for n in lengths):
        raise UserError(f"{said}: its epochs have {', '.join(map(str, lengths))} steps, but a call of the programs has "
                        f"{steps}; export them with a --steps_per_call that divides these")
    if config.prune and not before.prune:
        raise UserError(f"{said}: the programs keep no losses to prune by; export them with --prune")
    total, known = (sum(e.steps for e in run) for run in (epochs, written))
    if config.average == "lookahead" and total != known:
        raise UserError(f"{said}: has {total} steps, but the programs' lookahead is for {known}; export them for it")
    return config, epochs


def program(epoch, shape):
    """The name of the program that trains a `plan.Epoch` on images of a shape [N, H, W, C]."""
    return f"train_{epoch.size or shape[1]}"
