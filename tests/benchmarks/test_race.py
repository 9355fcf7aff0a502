"""The race's arithmetic, and its peer: what airbench94 is, in numbers, and that it learns."""
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import race
from benchmarks.support.turns import Contestant


class Runner:
    """Stands for a contestant."""

    def __init__(self, name, **settings):
        self.name, self.settings = name, settings


def test_the_minutes_are_those_of_all_parts_turn_by_turn():
    assert race.minutes({20: 6000, 32: 1200}, {20: [100, 50], 32: [10, 20]}) == [3, 3]


def test_our_images_are_those_of_the_recipe():
    images = race.our_images()
    assert list(images) == [20, 24, 32]
    assert 0.8 * 15 * 50_000 < sum(images.values()) < 15 * 50_000  # a fifth is pruned in most epochs
    assert all(count % 250 == 0 for count in images.values())


def test_the_best_mode_counts_in_each_precision_and_over_all(monkeypatch):
    monkeypatch.setattr(race, "FLAGS", SimpleNamespace(precisions=["float32", "bfloat16"]), raising=False)
    taken = {Runner(race.OURS, recipe="", precision="float32"): [8, 8, 9],
             Runner(race.OURS, recipe="", precision="bfloat16"): [4, 4, 4],
             Runner(race.THEIRS, autocast=False, compiled=False): [20, 20, 20],
             Runner(race.THEIRS, autocast=False, compiled=True): [16, 16, 16],
             Runner(race.THEIRS, autocast=True, compiled=False): [10, 10, 8]}
    found = race.ratios(list(taken), taken)
    assert [(r["median"], r["settings"]["airbench94"]) for r in found] == [
        (0.5, "float32 compiled"), (0.4, "bfloat16 eager")]
    assert found[1]["max"] == 0.5 and all(r["settings"]["of"] == "minutes" for r in found)


@pytest.fixture(scope="module")
def airbench():
    pytest.importorskip("torch", reason="the peer needs torch, which is not installed")
    from benchmarks.peers import airbench
    return airbench


def test_the_peer_is_airbench94_in_numbers(airbench):
    import torch

    model = airbench.Network()
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    kernels = sum(9 * a * b for a, b in ((24, 64), (64, 64), (64, 256), (256, 256), (256, 256), (256, 256)))
    assert trained == kernels + 24 + 2 * (64 + 256 + 256) + 2560
    assert airbench.steps_of(50_000) == 476
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert [airbench.rate_share(step, 100) for step in (0, 23, 100)] == pytest.approx([0.2, 1, 0.07])


def test_the_peers_first_layer_whitens_patches(airbench):
    import torch

    images = torch.randn(64, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    images = images + images.mean(1, keepdim=True)
    model = airbench.Network()
    model.fit_whitening(images)
    with torch.no_grad():
        out = torch.nn.functional.conv2d(images, model.whitening.weight).transpose(0, 1).flatten(1)
    np.testing.assert_allclose(out @ out.T / out.shape[1], np.kron([[1, -1], [-1, 1]], np.eye(12)), atol=2e-3)


def test_the_peer_moves_and_mirrors_images(airbench):
    images = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
    import torch

    source = airbench.Images(images)
    plain = airbench.normalized(torch.from_numpy(np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), "reflect"))).numpy()
    for number in range(6):
        for i, image in enumerate(source.batch(torch.arange(2), number).numpy()):
            if bool(source.mirrored[i]) != bool(number % 2):
                image = image[..., ::-1]
            windows = [plain[i, :, r:r + 8, c:c + 8] for r in range(5) for c in range(5)]
            assert any(np.array_equal(image, window) for window in windows)


@pytest.mark.parametrize("autocast", [False, True])
def test_the_peer_learns(airbench, autocast):
    # A process of its own, as in the race: PyTorch's optimizers don't start beside TensorFlow.
    peer = Contestant("airbench94", "benchmarks.peers.airbench", {
        "dataset": "synthetic", "train_examples": 100, "test_examples": 100, "batch_size": 25, "compiled": False,
        "autocast": autocast, "whole": True})
    end, (images, seconds) = peer.about["whole"], peer.turn(2)
    peer.close()
    assert min(end["test_accuracy"], end["tta_accuracy"]) > 0.25  # of 40 steps; 0.1 is chance
    assert images == 64 and seconds > 0
