"""The variants of a study: every combination of the values to vary, or a list of flags a line."""
import dataclasses
import hashlib
import itertools
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from cifar_fast.config import Config
from cifar_fast.errors import UserError

NOT_VARIED = ("seed", "workdir")  # --seeds and --studydir say these
LONGEST = 80  # characters of a variant's name in a path


@dataclass(frozen=True)
class Variant:
    """name: its flags as they are read, "learning_rate=0.04 activation=relu"; config: with the first seed and no run
    directory of its own yet."""

    name: str
    config: Config

    @property
    def folder(self):
        """Its name as a folder's: letters, digits, and a digest where it is too long or holds others."""
        plain = re.sub(r"[^A-Za-z0-9=.,+ _-]", "_", self.name).replace(" ", ",")
        if plain.replace(",", " ") == self.name and len(plain) <= LONGEST:
            return plain
        return f"{plain[:LONGEST - 9]}-{hashlib.sha256(self.name.encode()).hexdigest()[:8]}"


def seeds(text):
    """"0:5" or "0,3,7" → a list of whole numbers. Raises UserError."""
    found = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})(?::(\d{1,9}))?\s*", part)
        if not match or match[2] and not int(match[1]) < int(match[2]) <= int(match[1]) + 10_000:
            raise UserError(f"--seeds={text}: {part!r} must be a whole number or FIRST:END, as in 0:5 or 0,3,7")
        found += range(int(match[1]), int(match[2])) if match[2] else [int(match[1])]
    if len(set(found)) < len(found):
        raise UserError(f"--seeds={text}: a seed comes twice")
    return found


def combinations(base, vary):
    """The variants of every combination: the first values first, the last flag fastest.

    Args:
      base: a `Config`. vary: texts "flag=value,value,…"; a value that holds a comma stands in quotes.
    Raises:
      UserError: another form, a flag that isn't one or can't be varied, or a value that it doesn't take.
    """
    columns = []
    for text in vary:
        name, given, values = text.partition("=")
        if not given or not values:
            raise UserError(f"--vary={text}: must be FLAG=VALUE,VALUE,… as in learning_rate=0.04,0.05")
        columns.append([f"{name.strip()}={value}" for value in _values(values, text)])
    if len({column[0].partition("=")[0] for column in columns}) < len(columns):
        raise UserError("--vary: the same flag twice; give all its values in one")
    return _variants(base, itertools.product(*columns))


def listed(base, path):
    """The variants of a file: a line of flags each, "--learning_rate=0.04 --blur"; empty lines and those that begin
    with # don't count. Raises UserError."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--list={path}: can't be read ({error}); expected a line of flags a variant") from None
    rows = []
    for line in lines:
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                rows.append([_pair(word, path) for word in shlex.split(line)])
            except ValueError as error:
                raise UserError(f"--list={path}: {line!r}: {error}") from None
    if not rows:
        raise UserError(f"--list={path}: no variant there; expected a line of flags each")
    return _variants(base, rows)


def _variants(base, rows):
    found = []
    for row in rows:
        lines = [f"--{pair}" for pair in row]
        if wrong := {pair.partition("=")[0] for pair in row} & set(NOT_VARIED):
            raise UserError(f"--{min(wrong)}: can't be varied; --seeds and --studydir say what the runs' are")
        names = {line.partition("=")[0] for line in lines}
        kept = [line for line in base.flag_lines() if line.partition("=")[0] not in names]
        found.append(Variant(" ".join(row) or "base", Config.of_flag_lines(kept + lines)))
    if len({v.name for v in found}) < len(found) or len({v.config for v in found}) < len(found):
        raise UserError("two variants are the same; give each flags of its own")
    return found


def _pair(word, path):
    name, given, value = word.removeprefix("--").partition("=")
    if not word.startswith("--"):
        raise UserError(f"--list={path}: {word!r} is no flag; expected --name=value")
    if given:
        return f"{name}={value}"
    return f"{name[2:]}=false" if name.startswith("no") and name[2:] in _SWITCHES else f"{name}=true"


def _values(text, whole):
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = ",", True, ""
    try:
        return list(lexer)
    except ValueError as error:
        raise UserError(f"--vary={whole}: {error}") from None


_SWITCHES = {field.name for field in dataclasses.fields(Config) if field.type is bool}
