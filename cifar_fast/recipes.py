"""The flagfiles that come with the package, by name: `flags/NAME.flags`, each opening with what it is."""
from pathlib import Path

from cifar_fast.errors import UserError, nearest

# Installed, the flagfiles lie inside the package; in a checkout (also one installed with -e), beside it.
HERE = Path(__file__).resolve().parent
FOLDERS = (HERE / "flags", HERE.parent / "flags")


def find(name):
    """The path (str) of a recipe's flagfile. Raises UserError listing the known ones."""
    paths = _paths()
    if name not in paths:
        raise UserError(f"--recipe={name}: no such recipe{nearest(name, paths)}; expected one of "
                        f"{', '.join(paths)} (for a file of your own: --flagfile=PATH)")
    return str(paths[name])


def names():
    """{name: the flagfile's first line, without its #}, sorted by name."""
    return {name: path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
            for name, path in _paths().items()}


def _paths():
    folder = next(folder for folder in FOLDERS if folder.is_dir())
    return {path.stem: path for path in sorted(folder.glob("*.flags"))}
