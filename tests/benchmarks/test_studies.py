"""The lists of variants for studies of the fast recipe: the recipe first, then others for as much arithmetic."""
from pathlib import Path

import pytest

from cifar_fast import cli
from cifar_fast.network import flops
from cifar_fast.study import variants
from cifar_fast.training import plan

LISTS = sorted((Path(__file__).parents[2] / "benchmarks" / "studies").glob("*.list"))
SCALE = dict(train_examples=10_000, validation_examples=10_000, units=6, filters=16)


def arithmetic(config):
    return sum(flops.epoch(config, epoch, 10, (32, 32, 3)) for epoch in plan.epochs(config, config.train_examples))


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_a_list_is_the_recipe_and_its_changes_for_as_much_arithmetic(path):
    recipe = cli.config_for(["--recipe=fast_cifar10"], **SCALE)
    baseline, *others = [variant.config for variant in variants.listed(recipe, path)]
    assert baseline == recipe
    for config in others:
        assert config.eval_every == config.epochs  # evaluated once, as the recipe is
        assert arithmetic(config) == pytest.approx(arithmetic(recipe), rel=0.1)
