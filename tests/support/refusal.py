"""What a refused file must look like to the user; apart from files_of_cifar, which the fuzzer uses without pytest."""
import pytest

from cifar_fast.data import sources
from cifar_fast.errors import UserError


def refused(path, named, dataset="cifar10"):
    """That loading ends in one short line which has `named` in it."""
    with pytest.raises(UserError) as caught:
        sources.load(dataset, str(path))
    message = str(caught.value)
    assert named in message and "\n" not in message and len(message.replace(str(path), "")) < 600
