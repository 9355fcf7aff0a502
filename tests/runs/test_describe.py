"""The table of the network adds up to the network, the plan to the closed forms, and the rate is of real steps."""
import pytest

from cifar_fast.config import Config
from cifar_fast.network import flops, resnet
from cifar_fast.runs import describe
from cifar_fast.training import replicas
from tests.support import tiny


@pytest.mark.parametrize("options, shape", [
    ({}, (32, 32, 3)), ({"whitening": True, "blur": True, "stochastic_depth": 0.1}, (20, 33, 3))])
def test_the_rows_add_up_to_the_network(options, shape):
    model = resnet.build(10, shape, units=6, filters=4, **options)
    rows = describe.network(model, shape)
    assert sum(parameters for _, _, parameters, _ in rows) == model.count_params()
    whitening = rows[0][3] if "whitening" in options else 0
    assert sum(flop for *_, flop in rows) == flops.forward(6, 4, 10, shape[:2], shape[2]) + whitening
    assert rows[-1][1] == (10,) and rows[-3][1] == (*(-(-side // 4) for side in shape[:2]), 16)


def test_the_published_sets_are_known_without_their_files():
    assert describe.sizes(Config()) == (50_000, 10_000, 10, (32, 32, 3))
    config = Config(dataset="cifar100", validation_examples=5000, test_examples=100, train_examples=1000)
    assert describe.sizes(config) == (1000, 100, 100, (32, 32, 3))
    assert describe.sizes(tiny.config()) == (80, 40, 10, (32, 32, 3))


def test_the_lines_say_network_plan_rate_and_hours(monkeypatch):
    monkeypatch.setattr(describe, "SECONDS", 0.0)
    config = tiny.config(image_sizes="16x1,32x1", prune=0.2, prune_easy=0.5, batch_size=10, eval_every=2)
    text = list(describe.lines(config))
    assert text[0].split() == ["layer", "output", "parameters", "GFLOP"]
    parameters = resnet.build(10, (32, 32, 3), units=3, filters=4).count_params()
    assert any(line.split()[:3] == ["in", "all", f"{parameters:,}"] for line in text)
    plan = next(line for line in text if line.startswith("plan"))
    assert "2 epochs, 16 steps of 10 images (160)" in plan
    rates = [line for line in text if line.startswith("measured")]
    assert ["at 16×16 in 8 steps" in rates[0], "at 32×32 in 8 steps" in rates[1], len(rates)] == [True, True, 2]
    assert text[-1].startswith("predicted") and "of evaluations, in float32 on one device" in text[-1]


def test_several_replicas_are_measured_together(monkeypatch):
    monkeypatch.setattr(describe, "SECONDS", 0.0)
    # As `team` would in a process of its own.
    monkeypatch.setattr(describe.team, "gather", lambda *_: replicas.mirrored(["/CPU:0", "/CPU:1"]))
    assert "float32 on 2 replicas" in list(describe.lines(tiny.config(logical_cpus=2)))[-1]
