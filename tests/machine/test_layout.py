"""Where a run trains, by flags, devices and environment; and what does not fit together."""
import pytest

from cifar_fast.errors import UserError
from cifar_fast.machine import layout
from tests.support import tiny
from tests.support.clusters import TWO, tf_config


@pytest.mark.parametrize("changes, gpus, variables, expected", [
    ({}, 0, {}, ("one_device", ("/CPU:0",))),
    ({}, 1, {}, ("one_device", ("/GPU:0",))),
    ({}, 4, {}, ("mirrored", ("/GPU:0", "/GPU:1", "/GPU:2", "/GPU:3"))),
    (dict(num_devices=2), 4, {}, ("mirrored", ("/GPU:0", "/GPU:1"))),
    (dict(num_devices=1), 4, {}, ("one_device", ("/GPU:0",))),
    (dict(strategy="one_device"), 4, {}, ("one_device", ("/GPU:0",))),
    (dict(logical_cpus=2), 0, {}, ("mirrored", ("/CPU:0", "/CPU:1"))),
    ({}, 2, tf_config(TWO), ("multi_worker", ("/GPU:0", "/GPU:1"))),
    ({}, 0, tf_config({"worker": ["a:1"]}), ("one_device", ("/CPU:0",))),
    (dict(strategy="multi_worker"), 2, tf_config({"chief": ["a:1"]}, "chief"), ("mirrored", ("/GPU:0", "/GPU:1"))),
    (dict(strategy="mirrored"), 2, tf_config(TWO), ("mirrored", ("/GPU:0", "/GPU:1")))])
def test_layouts(changes, gpus, variables, expected):
    found = layout.decide(tiny.config(**changes), gpus, variables)
    assert (found.strategy, found.devices) == expected


@pytest.mark.parametrize("changes, gpus, variables, message", [
    (dict(strategy="mirrored"), 0, {}, "--strategy=mirrored: no GPU is visible"),
    (dict(num_devices=2), 0, {}, "--num_devices=2: .*no visible GPU"),
    (dict(num_devices=3), 2, {}, "--num_devices=3: there are 2 GPUs; ask for at most 2"),
    (dict(num_devices=5, logical_cpus=4), 0, {}, "--num_devices=5: there are 4 logical CPUs"),
    (dict(strategy="one_device", num_devices=2), 2, {}, "--strategy=one_device --num_devices=2"),
    (dict(strategy="multi_worker"), 0, {}, "--strategy=multi_worker: neither TF_CONFIG nor Slurm"),
    (dict(strategy="multi_worker", logical_cpus=2), 0, tf_config(TWO), "--logical_cpus=2: a worker's CPU is one"),
    (dict(batch_size=15), 2, {}, "--batch_size=15: 2 replicas need a multiple of 2; take 14 or 16"),
    (dict(batch_size=1), 2, {}, "take 2$"),
    (dict(batch_size=18, cutmix=1.0), 2, {}, "a multiple of 4; take 16 or 20"),
    (dict(batch_size=18, mixup=1.0), 2, {}, "a multiple of 4; take 16 or 20"),
    (dict(sync_batch_norm=True, xla="on"), 2, {}, "--sync_batch_norm --xla=on")])
def test_what_does_not_fit_gets_one_line(changes, gpus, variables, message):
    with pytest.raises(UserError, match=message) as error:
        layout.decide(tiny.config(**changes), gpus, variables)
    assert "\n" not in str(error.value)
