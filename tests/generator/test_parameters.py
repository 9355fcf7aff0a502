"""A batch's draws against Keras's: the same distribution of every parameter, each independent of the others."""
import numpy as np
import pytest
import scipy.stats
from keras.src.legacy.preprocessing.image import ImageDataGenerator as KerasGenerator

from cifar_fast.generator import ImageDataGenerator, parameters

COUNT = 20000
FORMS = [
    ("rotation_range", 30, ["theta"]), ("rotation_range", 12.5, ["theta"]), ("shear_range", 20.0, ["shear"]),
    ("width_shift_range", 0.1, ["ty"]), ("height_shift_range", 0.25, ["tx"]), ("width_shift_range", 3.5, ["ty"]),
    ("height_shift_range", 1.0, ["tx"]), ("width_shift_range", 4, ["ty"]), ("height_shift_range", 2, ["tx"]),
    ("width_shift_range", 1, ["ty"]), ("width_shift_range", np.float32(0.25), ["ty"]),
    ("width_shift_range", [0.1, 0.2, -0.3], ["ty"]),
    ("height_shift_range", [0, 2, 5], ["tx"]), ("height_shift_range", (0.5, 1.5), ["tx"]),
    ("zoom_range", 0.3, ["zx", "zy"]), ("zoom_range", [0.5, 1.7], ["zx", "zy"]),
    ("channel_shift_range", 25.0, ["channel_shift_intensity"]), ("brightness_range", (0.4, 1.2), ["brightness"]),
    ("horizontal_flip", True, ["flip_horizontal"]), ("vertical_flip", True, ["flip_vertical"])]


def draw(**arguments):
    return parameters.batch_draw(ImageDataGenerator(**arguments), np.random.default_rng(0), COUNT, 20, 30)


@pytest.mark.parametrize("argument, value, names", FORMS)
def test_parameters_follow_keras_distributions(argument, value, names):
    drawn = draw(**{argument: value})
    np.random.seed(0)
    generator = KerasGenerator(**{argument: value})
    peer = [generator.get_random_transform((20, 30, 3)) for _ in range(4000)]
    for name, neutral in parameters.NEUTRAL.items():
        if name not in names:
            assert drawn[name] is neutral
            continue
        expected, got = np.array([p[name] for p in peer], float), drawn[name].astype(float)
        values = np.unique(expected)
        if len(values) < 20:
            np.testing.assert_allclose(np.unique(got), values, atol=1e-12)
            for v in values:
                assert abs(np.isclose(got, v).mean() - np.isclose(expected, v).mean()) < 0.03
        else:
            assert scipy.stats.ks_2samp(got, expected).pvalue > 0.01


EVERYTHING = dict(rotation_range=30, width_shift_range=0.1, height_shift_range=[1, 2], shear_range=10, zoom_range=0.2,
                  channel_shift_range=20, brightness_range=(0.5, 1.5), horizontal_flip=True, vertical_flip=True)


def test_parameters_are_independent_and_an_argument_leaves_the_others_alone():
    whole = draw(**EVERYTHING)
    table = np.stack([np.abs(v) if n == "tx" else v for n, v in whole.items()]).astype(float)
    np.testing.assert_allclose(np.corrcoef(table), np.eye(len(table)), atol=0.04)
    for argument, name in (("rotation_range", "theta"), ("height_shift_range", "tx"),
                           ("vertical_flip", "flip_vertical")):
        np.testing.assert_array_equal(draw(**{argument: EVERYTHING[argument]})[name], whole[name])


def test_a_batch_of_one_image_each_is_stacked_as_drawn():
    np.random.seed(0)
    generator = ImageDataGenerator(**EVERYTHING)
    drawn = [generator.get_random_transform((20, 30, 3)) for _ in range(5)]
    stacked = parameters.stacked(drawn)
    assert all(stacked[name][3] == value for name, value in drawn[3].items())
    assert parameters.stacked([{}])["brightness"] is None and parameters.stacked([{}])["zx"] == 1
