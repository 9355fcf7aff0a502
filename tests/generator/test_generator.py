"""The class against Keras's: argument lists, single images, what `fit` finds, errors and warnings."""
import functools
import inspect
import warnings

import keras
import numpy as np
import pytest
from keras.src.legacy.preprocessing.image import ImageDataGenerator as KerasGenerator

from cifar_fast.generator import ImageDataGenerator
from tests.support import generator_peers as peers

METHODS = ("__init__", "fit", "standardize", "get_random_transform", "random_transform", "apply_transform", "flow",
           "flow_from_directory", "flow_from_dataframe")
OURS = {"__init__": ["draws"], "flow_from_directory": ["memory_share"], "flow_from_dataframe": ["memory_share"]}
X = np.random.default_rng(0).integers(0, 256, (40, 5, 4, 3), dtype=np.uint8)


@pytest.mark.parametrize("method", METHODS)
def test_argument_lists_are_keras_plus_ours(method):
    theirs, ours = (inspect.signature(getattr(c, method)).parameters for c in (KerasGenerator, ImageDataGenerator))
    assert [p for p in theirs.values()] == [p for p in ours.values() if p.name not in OURS.get(method, [])]
    assert [p.name for p in ours.values() if p.kind is p.KEYWORD_ONLY] == OURS.get(method, [])


def test_nothing_public_of_keras_is_missing():
    theirs, ours = (vars(c()) | vars(c) for c in (KerasGenerator, ImageDataGenerator))
    assert {name for name in theirs if not name.startswith(("__", "_api"))} <= set(ours)


@peers.needs_kernel
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_single_images_are_keras_own(dtype):
    random = np.random.default_rng(3)
    for seed in range(60):
        arguments = peers.random_arguments(random)
        theirs, ours = peers.pair(**arguments)
        image = random.integers(0, 256, (*random.integers(4, 9, 2), int(random.choice([1, 3, 4])))).astype(dtype)
        image = image.transpose(2, 0, 1) if arguments["data_format"] == "channels_first" else image
        drawn = [generator.get_random_transform(image.shape, seed=seed) for generator in (theirs, ours)]
        assert drawn[0] == drawn[1]
        moved = [generator.random_transform(image, seed=seed) for generator in (theirs, ours)]
        assert moved[0].dtype == moved[1].dtype
        np.testing.assert_allclose(moved[1], moved[0], atol=1e-4)
        some = {"theta": 10, "flip_vertical": True, "channel_shift_intensity": -20.5}
        np.testing.assert_allclose(ours.apply_transform(image, some), theirs.apply_transform(image, some), atol=1e-4)


def test_masks_of_bools_stay_bools():
    mask = np.ones((5, 6, 1), bool)
    assert ImageDataGenerator(rotation_range=40).random_transform(mask, seed=1).dtype == bool
    assert ImageDataGenerator(rotation_range=40).random_transform(mask, seed=1).all()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_whitening_equals_keras(data_format):
    x = X if data_format == "channels_last" else X.transpose(0, 3, 1, 2)
    x = np.concatenate([x, x[::-1, ::-1]])
    pair = peers.pair(zca_whitening=True, zca_epsilon=1e-2, rescale=1 / 255, data_format=data_format)
    for generator in pair:
        generator.fit(x)
    theirs, ours = (next(generator.flow(x, batch_size=80, seed=1)) for generator in pair)
    np.testing.assert_allclose(ours, theirs, atol=2e-3)
    assert abs(np.cov(ours.reshape(80, -1).T).mean()) < 1


def test_standardize_changes_a_batch_in_place_as_keras_does():
    pair = peers.pair(samplewise_center=True, samplewise_std_normalization=True, rescale=2)
    for shape in ((5, 4, 3), (6, 5, 4, 3)):
        images = [np.random.default_rng(0).normal(size=shape).astype(np.float32) for _ in range(2)]
        results = [generator.standardize(image) for generator, image in zip(pair, images, strict=True)]
        np.testing.assert_array_equal(*results)
        np.testing.assert_array_equal(*images)


def test_statistics_set_by_hand_are_used():
    means = np.float32([103.9, 116.8, 123.7])
    pair = peers.pair(featurewise_center=True)
    for generator in pair:
        generator.mean = means
    theirs, ours = (next(generator.flow(X, batch_size=9, seed=1)) for generator in pair)
    np.testing.assert_array_equal(theirs, ours)


def test_many_images_have_the_right_statistics():
    x = np.full((3000, 32, 32, 1), 100, np.uint8)
    x[::2] = 200
    generator = ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True)
    generator.fit(x)
    np.testing.assert_allclose([generator.mean.item(), generator.std.item()], [150, 50], rtol=1e-6)


@pytest.mark.parametrize("name", ["vgg16", "mobilenet_v2", "densenet"])
def test_preprocess_input_of_keras_applications_takes_the_batch(name):
    function = getattr(keras.applications, name).preprocess_input
    calls = []

    def counted(x):
        calls.append(x.ndim)
        return function(x)

    theirs, _ = peers.pair(preprocessing_function=function, horizontal_flip=True)
    for wrapped in (function, functools.partial(function, data_format="channels_last")):
        ours = ImageDataGenerator(preprocessing_function=wrapped, horizontal_flip=True, draws="keras")
        a, b = (next(generator.flow(X, batch_size=9, seed=1)) for generator in (theirs, ours))
        np.testing.assert_allclose(a, b, atol=1e-4)
    next(ImageDataGenerator(preprocessing_function=counted).flow(X, batch_size=9))
    assert calls == [3] * 9  # any other function sees each image


def test_methods_that_a_subclass_replaces_see_each_image():
    class Black(ImageDataGenerator):
        def apply_transform(self, x, transform_parameters):
            return super().apply_transform(x, transform_parameters) * 0

    assert not next(Black(rotation_range=10).flow(X)).any()
    generator = ImageDataGenerator()
    generator.standardize = lambda x: x + 1
    assert (next(generator.flow(X, shuffle=False, batch_size=3)) == X[:3] + 1.0).all()


@pytest.mark.parametrize("draws", [None, "keras"])
def test_images_are_saved_as_keras_saves_them(tmp_path, draws):
    generator = ImageDataGenerator(horizontal_flip=True, draws=draws)
    batches = []
    for name in "ab":
        (tmp_path / name).mkdir()
        flow = generator.flow(X, batch_size=7, seed=1, shuffle=False, save_to_dir=tmp_path / name, save_prefix="p")
        batches.append(next(flow))
    files = sorted((tmp_path / "a").iterdir())
    assert len(files) == 7 and files[0].name.startswith("p_0_")
    theirs, _ = peers.pair(horizontal_flip=True)
    (tmp_path / "c").mkdir()
    next(theirs.flow(X, batch_size=7, seed=1, shuffle=False, save_to_dir=tmp_path / "c", save_prefix="p"))
    if draws:
        for file in files:
            assert file.read_bytes() == (tmp_path / "c" / file.name).read_bytes()
    np.testing.assert_array_equal(*batches)


@pytest.mark.parametrize("arguments", [
    dict(zca_whitening=True), dict(zca_whitening=True, featurewise_std_normalization=True, featurewise_center=True),
    dict(featurewise_std_normalization=True), dict(samplewise_std_normalization=True)])
def test_what_arguments_imply_is_warned_of_and_set(arguments):
    found = []
    for make in (KerasGenerator, ImageDataGenerator):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            generator = make(**arguments)
            next(generator.flow(X, batch_size=1))
        found.append(([w.category for w in caught], {name: value for name, value in vars(generator).items()
                                                     if name.startswith(("feature", "sample", "zca_w"))}))
    assert found[0] == found[1]


@pytest.mark.parametrize("name, value", [
    ("rotation_range", float("nan")), ("rotation_range", (-5, 5)), ("shear_range", "5"), ("cval", None),
    ("width_shift_range", -2), ("height_shift_range", float("inf")), ("width_shift_range", [0.1, None]),
    ("zoom_range", (1.2, 0.8)), ("zoom_range", 1.5), ("zoom_range", [1, 2, 3]), ("zoom_range", (float("nan"), 1)),
    ("brightness_range", 0.5), ("brightness_range", (1.5, 0.5)), ("brightness_range", (-1, 1)),
    ("brightness_range", [0.1, 0.2, 0.3]), ("channel_shift_range", [1, 2]), ("horizontal_flip", "yes"),
    ("rescale", float("nan")), ("preprocessing_function", 3), ("data_format", "channels_middle"),
    ("validation_split", 1), ("validation_split", -0.1), ("fill_mode", "zeros"), ("interpolation_order", 6),
    ("draws", "numpy"), ("zca_epsilon", None), ("dtype", "float33"), ("dtype", "str")])
def test_wrong_arguments_are_named(name, value):
    with pytest.raises(ValueError, match=f"{name}="):
        ImageDataGenerator(**{name: value})


def test_none_is_no_rotation_shear_or_shift():
    flow = ImageDataGenerator(rotation_range=None, shear_range=None, width_shift_range=None).flow(X, shuffle=False)
    np.testing.assert_array_equal(next(flow), X[:32])


@pytest.mark.parametrize("arguments", [{"width_shift_range": 6}, {"height_shift_range": [0, 4]},
                                       {"width_shift_range": 5.0}])
def test_shifts_beyond_the_image_are_refused(arguments):
    generator = ImageDataGenerator(**arguments)
    with pytest.raises(ValueError, match=f"{next(iter(arguments))}=.* in images of 5×4"):
        generator.flow(X)
    ImageDataGenerator(width_shift_range=5, height_shift_range=[-3, 3]).flow(X)


@pytest.mark.parametrize("arguments, part", [
    (dict(x=X[0]), "x of shape"), (dict(x=X, y=range(3)), "y: 3 for 40 images"), (dict(x=(X, X[:2])), r"x\[1\]: 2"),
    (dict(x=X, sample_weight=[1]), "sample_weight: 1"), (dict(x=X, subset="test"), "subset='test'"),
    (dict(x=X, y=np.arange(40) > 30, subset="training"), "ignore_class_split"), (dict(x=X[:0]), "x of shape")])
def test_wrong_images_and_labels_are_named(arguments, part):
    with pytest.raises(ValueError, match=part):
        ImageDataGenerator(validation_split=0.2).flow(**arguments)


def test_images_stay_as_they_came_and_odd_channels_are_warned_of():
    generator = ImageDataGenerator()
    assert np.shares_memory(generator.flow(X).x, X) and generator.flow(np.float32(X)).x.dtype == np.float32
    assert generator.flow(X > 3).x.dtype == np.uint8 and generator.flow(X.astype(np.int64)).x.dtype == np.float32
    for call in (generator.flow, generator.fit):
        with pytest.warns(UserWarning, match="2 channels"):
            call(X[..., :2])
    with pytest.raises(ValueError, match="2 channels; it is for 1, 3 or 4"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        next(ImageDataGenerator(brightness_range=(1, 2)).flow(X[..., :2]))


def test_brightness_of_channels_first_is_that_of_channels_last():
    arguments = dict(brightness_range=(0.3, 1.8), rotation_range=20)
    last = next(ImageDataGenerator(**arguments).flow(X, seed=1, batch_size=8))
    first = next(ImageDataGenerator(**arguments, data_format="channels_first").flow(
        X.transpose(0, 3, 1, 2), seed=1, batch_size=8))
    np.testing.assert_array_equal(first.transpose(0, 2, 3, 1), last)
