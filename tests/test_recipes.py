import dataclasses

import pytest
from absl import flags

from cifar_fast import cli, recipes
from cifar_fast.config import Config
from cifar_fast.errors import UserError
from cifar_fast.network import flops
from cifar_fast.training import plan

SEED = {"epochs": 100, "batch_size": 32, "optimizer": "adam", "learning_rate": 1e-3, "schedule": "exponential",
        "decay": 0.99, "units": 12, "filters": 32, "activation": "elu", "dropout": 0.1, "l2": 1e-6,
        "standardize": "scalar", "test_statistics": "own", "rotation_range": 30, "width_shift_range": 0.1,
        "height_shift_range": 0.1, "shear_range": 0, "zoom_range": 0, "horizontal_flip": True,
        "vertical_flip": True, "fill_mode": "nearest", "label_smoothing": 0}


def parse(*arguments):
    return cli.config_for(arguments)


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_says_what_it_is_and_parses(name):
    lines = open(recipes.find(name)).read().splitlines()
    assert lines[0].startswith("# ") and recipes.names()[name] == lines[0][2:]
    assert all(line.startswith(("# ", "--")) for line in lines)
    given = [line[2:].partition("=")[0] for line in lines if line.startswith("--")]
    assert len(given) == len(set(given)), "a flag stands twice"
    parse(f"--recipe={name}")


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
def test_the_seed_recipes_are_the_original_one(dataset):
    config = parse(f"--recipe=seed_{dataset}")
    assert config.dataset == dataset
    assert {name: getattr(config, name) for name in SEED} == SEED


@pytest.mark.parametrize("name, classes, most", [
    ("fast_cifar10", 10, 0.58), ("fast_cifar100", 100, 0.58), ("quick_cifar100", 100, 0.3),
    ("best_cifar10", 10, 3), ("best_cifar100", 100, 3)])
def test_a_recipe_keeps_the_network_and_says_its_arithmetic(name, classes, most):
    config = parse(f"--recipe={name}")
    assert (config.dataset, config.units, config.filters) == (f"cifar{classes}", SEED["units"], SEED["filters"])
    pflop = sum(flops.epoch(config, epoch, classes, (32, 32, 3)) for epoch in plan.epochs(config, 50_000)) / 1e15
    assert pflop <= most and f"{pflop:.3f} PFLOP" in recipes.names()[name]


def test_a_flag_beside_a_recipe_wins_wherever_it_stands():
    for arguments in (["--epochs=3", "--recipe=seed_cifar10"], ["--recipe=seed_cifar10", "--epochs=3"]):
        config = parse(*arguments)
        assert config.epochs == 3 and config.batch_size == 32


def test_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = flags.FlagValues()
    flags.DEFINE_string("dataset", None, "", flag_values=values)
    others = ",".join(field.name for field in dataclasses.fields(Config) if field.name != "dataset")
    values(["", f"--flagfile={recipes.find('quickstart')}", f"--undefok={others}"])
    assert values.dataset == "synthetic"


def test_an_unknown_recipe():
    for name in ("nope", "", "../flags/quickstart", "quickstart.flags"):
        with pytest.raises(UserError, match="quickstart, seed_cifar10, seed_cifar100"):
            recipes.find(name)
