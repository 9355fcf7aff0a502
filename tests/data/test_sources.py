"""Which reader a data set's name leads to, and arguments that can't be."""
import pytest

from cifar_fast.data import sources
from cifar_fast.errors import UserError


def test_synthetic_sets_have_an_end():
    with pytest.raises(UserError, match="100000000 images were asked for"):
        sources.load("synthetic", train_examples=100_000_000)


@pytest.mark.parametrize("name, options", [("mnist", {}), ("synthetic", {"train_examples": 0}),
                                           ("synthetic", {"validation_examples": -1})])
def test_wrong_arguments(name, options):
    with pytest.raises(ValueError, match="must be"):
        sources.load(name, **options)
