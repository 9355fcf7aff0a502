"""The documents say what the code does: commands parse, links and records are there, examples run, nothing is long."""
import ast
import importlib
import re
from pathlib import Path

import pytest

from cifar_fast import cli, recipes
from cifar_fast.config import Config
from cifar_fast.errors import UserError
from tests.support import documents
from tests.support.documents import NAMES, ROOT

RESULTS = ROOT / "benchmarks" / "results"
KINDS = ("faults", "gpu", "history", "recipes", "replicas", "speed")
DEFINES = re.compile(r"DEFINE_\w+|add_argument")


@pytest.mark.parametrize("name", NAMES)
def test_commands_parse(name):
    for words in documents.commands(name):
        if words[0] == "cifar_fast":
            check_command(words[1:])
        elif words[1].startswith(("benchmarks.", "tests.")) and not words[1].endswith("NAME"):
            check_module(*words[1:])


def check_command(arguments):
    """Raises what `cifar_fast` would say. The files that an example names are not there, so a recipe stands in."""
    arguments = [a if not a.startswith("--flagfile=") else f"--flagfile={recipes.find('quickstart')}"
                 for a in arguments]
    try:
        if arguments[0] == "train":
            cli.config_for(arguments[1:])
        elif arguments[0] == "launch":
            at = arguments.index("--")
            cli.parse(arguments[:at])
            check_command(arguments[at + 1:])
        else:
            cli.parse(arguments)
    except cli.Help:
        pass


def check_module(module, *arguments):
    """Raises unless a script is there and knows the flags, which its source tells: running it would take seconds."""
    place = ROOT.joinpath(*module.split("."))
    source = (place / "__main__.py" if place.is_dir() else place.with_suffix(".py")).read_text()
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    names = [ast.unparse(node.func).rpartition(".")[2] for node in calls]
    known = {call.args[0].value.lstrip("-") for call, name in zip(calls, names, strict=True) if DEFINES.fullmatch(name)}
    if not known:  # it takes those of `cifar_fast train` as well as its own
        known = {*cli.define(), *re.findall(r'"--(\w+)', source)}
    given = {word[2:].partition("=")[0] for word in arguments if word.startswith("--")}
    unknown = {flag for flag in given if flag not in known and flag.removeprefix("no") not in known}
    assert not unknown, f"python -m {module} has no --{', --'.join(unknown)}"


def test_a_wrong_command_is_found():
    for words in ["train --no_such=1"], ["fly"], ["train --epochs=0"]:
        with pytest.raises(UserError):
            check_command(words[0].split())
    with pytest.raises(AssertionError, match="no_such"):
        check_module("benchmarks.layers", "--no_such=1", "--repeats=2")
    with pytest.raises(FileNotFoundError):
        check_module("benchmarks.no_such")


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    for path, anchor in documents.links(name):
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), f"{path}: not there"
        assert not anchor or anchor in documents.anchors(target), f"{path}#{anchor}: no such heading"


@pytest.mark.parametrize("name", NAMES)
def test_paths_are_there(name):
    for path in documents.quoted(documents.read(name)):
        if re.fullmatch(r"(benchmarks|cifar_fast|docs|flags|tests)/[\w./*]*", path) and "NAME" not in path:
            assert list(ROOT.glob(path)), f"{path}: not there"
        elif re.fullmatch(r"\w+\.(py|c)", path) and "NAME" not in path:
            assert any(list(ROOT.glob(f"{folder}/**/{path}")) for folder in ("cifar_fast", "tests")), f"{path}: nowhere"


@pytest.mark.parametrize("name", NAMES)
def test_records_are_there(name):
    for path in documents.quoted(documents.read(name)):
        if path.startswith(tuple(f"{kind}/" for kind in KINDS)) and path.rstrip("/") not in KINDS:
            assert list(RESULTS.glob(path)), f"{path}: no such record"


def test_every_run_can_be_trained_again():
    """By the command that `benchmarks/results/README.md` gives; each flag of a record is still one."""
    flagfiles = list(RESULTS.rglob("config.flags"))
    assert len(flagfiles) > 100
    for path in flagfiles:
        Config.of_flag_lines([line for line in path.read_text().splitlines() if line.startswith("--")])


def test_every_record_says_what_made_it():
    text = documents.read("benchmarks/results/README.md")
    for record in [path for kind in KINDS if kind != "history" for path in (RESULTS / kind).iterdir()]:
        name = re.sub(r"_seed\d$|\.png$", "", record.name)
        assert f"`{name}" in text or f"`{Path(name).stem}" in text, f"{record.name}: not in the table"


def test_the_examples_of_the_python_interface_run(tmp_path, monkeypatch, capsys):
    """One after the other, as a reader would type them; that is two epochs of a tiny network."""
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in documents.fences("docs/python.md", "python"):
        exec(compile(code, "docs/python.md", "exec"), names)
    assert names["metrics"]["test_accuracy"] == names["last"]["accuracy"]
    assert (tmp_path / "predictions.csv").read_text().count("\n") == 21
    assert names["images"].shape == (16, 32, 32, 3) and (names["images"] == names["again"]).numpy().all()
    assert "--epochs=0: must be at least 1" in capsys.readouterr().out


def test_python_in_the_documents_imports_what_there_is():
    for name in NAMES:
        for code in documents.fences(name, "python"):
            for node in ast.walk(ast.parse(code)):
                if isinstance(node, ast.ImportFrom) and node.module.startswith("cifar_fast"):
                    assert all(hasattr(importlib.import_module(node.module), alias.name) or importlib.import_module(
                        f"{node.module}.{alias.name}") for alias in node.names), name


def test_the_readme_is_short():
    assert len(documents.read("README.md").splitlines()) <= 150
    assert all(len(lines) <= 5 for lines in documents.paragraphs("README.md"))
    assert all(len(rows) <= 8 for rows in documents.tables("README.md"))
    records = rf"benchmarks/results|_seed\d|\b({'|'.join(KINDS)})/\w|[Ss]eeds? \d, \d"
    assert not re.search(records, documents.read("README.md"))


def test_the_recipes_are_short():
    assert len(documents.read("docs/recipes.md").splitlines()) <= 250


@pytest.mark.parametrize("name", NAMES)
def test_words(name):
    assert not re.search(r"by\s+the\s+clock|held\s+to\s+AVX2", documents.read(name), re.IGNORECASE)


def test_the_design_names_every_folder():
    text = documents.read("docs/design.md")
    for folder in (ROOT / "cifar_fast").iterdir():
        if (folder / "__init__.py").exists():
            assert f"`{folder.name}/`" in text, f"{folder.name}: who owns what says docs/design.md"
