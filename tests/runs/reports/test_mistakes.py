"""Which mistakes are shown, and that the picture shows their pixels."""
import numpy as np
import pytest
from matplotlib.image import imread

from cifar_fast.runs.reports import mistakes
from tests.support import tiny


def test_the_most_confident_mistakes_come_first():
    labels = np.array([0, 1, 2, 0, 1])
    result = tiny.evaluation([0, 0, 0, 0, 2], confidences=[0.99, 0.5, 0.9, 0.3, 0.7])
    assert mistakes.most_confident(labels, result).tolist() == [2, 4, 1]
    many = tiny.evaluation(np.ones(100, int), confidences=np.linspace(0, 1, 100))
    assert mistakes.most_confident(np.zeros(100, int), many).tolist() == list(range(99, 59, -1))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_picture_shows_the_wrong_images_and_no_other(channels, tmp_path):
    images = np.full((3, 8, 8, channels), 60, np.uint8)
    images[2] = 119
    mistakes.draw(images, np.array([0, 1, 1]), tiny.evaluation([1, 0, 1]), ("${$", "a_name" * 20), tmp_path / "m.png")
    pixels = (imread(tmp_path / "m.png")[..., :3] * 255).round()
    assert (pixels == 60).all(-1).sum() > 5000 and (pixels == 119).all(-1).sum() < 500


def test_a_network_without_mistakes_has_a_picture_too(tmp_path):
    images, labels = np.zeros((2, 4, 400, 3), np.uint8), np.zeros(2, int)
    mistakes.draw(images, labels, tiny.evaluation(labels), "ab", tmp_path / "m.png")
    assert imread(tmp_path / "m.png").std() > 0
