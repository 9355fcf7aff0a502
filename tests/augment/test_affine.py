"""Augmentation against ImageDataGenerator itself: pixels given the parameters, and the parameters' distributions."""
import warnings

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from cifar_fast.augment import kernel
from cifar_fast.augment.affine import Affine, augment
from cifar_fast.augment.places import Parameters, matrices
from cifar_fast.augment.resample import FILL_MODES
from tests.support import augment_reference as reference

ImageDataGenerator = tf.keras.preprocessing.image.ImageDataGenerator
SHAPES = ((32, 32, 3), (17, 23, 1), (20, 12, 4), (9, 14, 2))
SETS = 72  # a fill mode and shape: 1,152 in all
SEED, EPOCH = 7, 3


def compiled(function):
    return tf.function(function, jit_compile=True, autograph=False, reduce_retracing=True)


def ways(affine):
    """An `Affine`'s transform of bytes by TensorFlow's operations, by XLA, and in C, where that was compiled."""
    def in_c(images, p):
        places = matrices(p, *images.shape[1:3])
        sampled = kernel.resample(images, places, affine.fill_mode, affine.cval, affine.interpolation_order)
        return affine.transform(sampled, p._replace(**dict.fromkeys(Parameters._fields[:8])))

    return affine.transform, compiled(affine.transform), *([in_c] if kernel.LIBRARY else [])


def random_sets(random, count, bright):
    """Parameters [count] of all transforms; each is left neutral in a third of the sets, shifts are whole in some."""
    def some(values, neutral):
        return np.where(random.random(count) < 2 / 3, values, neutral).astype(np.float32)

    shifts = [random.uniform(-8, 8, count) for _ in range(2)]
    shifts = [np.where(random.random(count) < 0.3, np.round(s), s) for s in shifts]
    p = Parameters(
        theta=some(random.uniform(-180, 180, count), 0), tx=some(shifts[0], 0), ty=some(shifts[1], 0),
        shear=some(random.uniform(-60, 60, count), 0), zx=some(random.uniform(0.3, 2.5, count), 1),
        zy=some(random.uniform(0.3, 2.5, count), 1), flip_horizontal=random.random(count) < 0.5,
        flip_vertical=random.random(count) < 0.5, channel_shift_intensity=some(random.uniform(-90, 90, count), 0))
    return p._replace(brightness=some(random.uniform(0, 2, count), 1)) if bright else p


def one(p, i):
    """The i-th set as Keras takes it: Python's numbers by name."""
    return {name: values[i].item() for name, values in p._asdict().items() if values is not None}


def keras(images, p, fill_mode, cval, order=1):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        generator = ImageDataGenerator(fill_mode=fill_mode, cval=cval, interpolation_order=order)
        return np.stack([generator.apply_transform(x.astype(np.float32), one(p, i)) for i, x in enumerate(images)])


def on_an_edge(p, shape, order=1):
    """Pixels [B, H, W] that sample the very edge of an image, to rounding: "constant" and "wrap" jump there, and order
    0 in the middle between two pixels, so the last bit of the arithmetic decides. Whole shifts are exact and not among
    them."""
    found = np.zeros((len(p.theta), *shape[:2]), bool)
    for i in range(len(found)):
        place = one(p, i)
        for position, length in zip(reference.positions(shape, place), shape[:2], strict=True):
            off = np.abs(position[..., None] - np.array([0, length - 1]))
            if order == 0:
                off = np.concatenate([off, np.abs(position - np.floor(position) - 0.5)[..., None]], -1)
            found[i] |= ((off > 0) & (off < 4e-9)).any(-1) | (off == 0).any(-1) & (place["shear"] != 0)
        found[i] = found[i][::-1] if place["flip_vertical"] else found[i]
        found[i] = found[i][:, ::-1] if place["flip_horizontal"] else found[i]
    return found


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_given_parameters_the_reference_equals_keras_and_the_device_the_reference(fill_mode, shape):
    random = np.random.default_rng([FILL_MODES.index(fill_mode), *shape])
    images = random.integers(0, 256, (SETS, *shape), dtype=np.uint8)
    affine = Affine(fill_mode=fill_mode, cval=31.5, value_range="keras")
    bright = shape[2] != 2  # Pillow, and so Keras, takes 1, 3 and 4 channels
    p = random_sets(random, SETS, bright)
    expected = np.stack([reference.apply_transform(x.astype(np.float32), one(p, i), fill_mode, 31.5)
                         for i, x in enumerate(images)])
    np.testing.assert_array_equal(expected, keras(images, p, fill_mode, 31.5))
    assert expected.dtype == np.float32

    unlit = p._replace(brightness=None)
    before = np.stack([reference.apply_transform(x.astype(np.float32), one(unlit, i), fill_mode, 31.5)
                       for i, x in enumerate(images)])
    edge = on_an_edge(p, shape)[..., None]
    assert edge.mean() < (2e-3 if fill_mode in ("constant", "wrap") else 1)
    for transform in ways(affine):
        got = transform(images, unlit).numpy()
        assert got.dtype == np.float32 and np.abs(got - before)[~np.broadcast_to(edge, got.shape)].max() < 2e-3
        if bright:
            # it cuts to whole numbers: where one comes in, or almost, the last bit decides on one grey level more
            wrong = (np.abs(transform(images, p) - expected) >= 2e-3) & ~edge
            assert wrong.mean() < 1e-4 and (np.abs(before - np.round(before))[wrong] < 1e-4).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_order_0_takes_the_pixel_that_scipy_takes(fill_mode, shape):
    random = np.random.default_rng([FILL_MODES.index(fill_mode), *shape])
    images = random.integers(0, 256, (SETS, *shape), dtype=np.uint8)
    p = random_sets(random, SETS, bright=False)
    expected = keras(images, p, fill_mode, 31.5, order=0)
    edge = np.broadcast_to(on_an_edge(p, shape, order=0)[..., None], expected.shape)
    assert edge.mean() < 0.01
    affine = Affine(fill_mode=fill_mode, cval=31.5, interpolation_order=0)
    for transform in (*ways(affine), lambda images, p: affine.transform(images.astype(np.float32), p)):
        np.testing.assert_array_equal(np.where(edge, expected, transform(images, p)), expected)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_order_0_in_the_middle_between_two_pixels_rounds_as_scipy(fill_mode):
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1), dtype=np.uint8)
    p = Parameters(tx=np.float32([0.5, -0.5, 2.5, -9.5, 1.5, 0]), ty=np.float32([0, 0.5, -1.5, 8.5, 20.5, 0]),
                   zx=np.float32([1, 1, 1, 1, 2, 2]), zy=np.float32([1, 1, 1, 2, 1, 2]))
    for transform in ways(Affine(fill_mode=fill_mode, cval=7, interpolation_order=0)):
        np.testing.assert_array_equal(transform(images, p), keras(images, p, fill_mode, 7, order=0))


def test_order_0_keeps_the_labels_of_a_mask_and_follows_its_image():
    image = np.zeros((20, 16, 16, 1), np.uint8)
    image[:, 4:9, 6:12] = 200
    moves = dict(rotation_range=40, zoom_range=0.3, width_shift_range=0.1, fill_mode="constant")
    mask = Affine(**moves, interpolation_order=0)(np.where(image > 0, 7, 0), (1, 0)).numpy()
    assert set(np.unique(mask)) == {0, 7}
    moved = Affine(**moves)(image, (1, 0)).numpy()
    assert (mask[moved == 200] == 7).mean() > 0.99 and (mask[moved == 0] == 0).all()


def test_brightness_rescales_what_leaves_8_bits_as_keras_does():
    images = np.random.default_rng(0).uniform(-40, 300, (20, 8, 8, 3)).astype(np.float32)
    images[:5] /= 400
    images[0] = 0.25
    images[1] = -3
    p = Parameters(brightness=np.linspace(0, 2, 20, dtype=np.float32))
    affine = Affine(value_range="keras")
    for transform in (affine.transform, compiled(affine.transform)):
        off = np.abs(transform(images, p) - keras(images, p, "nearest", 0))
        # A value on the border of two of the 8 bits' steps may fall to either side: XLA of TensorFlow 2.22 divides
        # with another last bit.
        step = (images.max((1, 2, 3)) - images.min((1, 2, 3))).reshape(-1, 1, 1, 1) / 255
        assert (off > 2e-3).mean() < 1e-3 and (off < 3 * step + 2e-3).all()


@pytest.mark.parametrize("value_range", [(0, 1), (0, 255), (-1, 1)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_brightness_scales_between_black_and_white(value_range, channels):
    black, white = value_range
    images = np.random.default_rng(0).uniform(black, white, (4, 8, 8, channels)).astype(np.float32)
    images[:, 0, 0], images[:, 0, 1] = black, white
    factors = np.float32([0, 0.5, 1, 1.5])
    light = (images[..., :3] - black) * factors[:, None, None, None]
    expected = np.concatenate([np.minimum(light, white - black) + black, images[..., 3:]], -1)
    affine = Affine(brightness_range=(0.5, 1.5), value_range=list(value_range))
    for transform in (affine.transform, compiled(affine.transform)):
        np.testing.assert_allclose(transform(images, Parameters(brightness=factors)), expected, atol=1e-5 * white)
    drawn = affine(images, (0, 0)).numpy()
    assert 0.4 * images.std() < drawn.std() < 1.5 * images.std()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_brightness_of_floats_asks_what_is_white(dtype):
    images = np.random.default_rng(0).uniform(0, 1, (2, 8, 8, 3)).astype(dtype)
    for call in (Affine(brightness_range=(0.5, 1.5)), compiled(Affine(brightness_range=(0.5, 1.5)))):
        with pytest.raises(ValueError, match=r"value_range=None: .* give value_range=\(0, 1\) or \(0, 255\)"):
            call(images, tf.constant([0, 0]))
    bytes_ = (images * 255).astype(np.uint8)
    np.testing.assert_array_equal(Affine(brightness_range=(0.5, 1.5))(bytes_, (0, 0)),
                                  Affine(brightness_range=(0.5, 1.5), value_range="keras")(bytes_, (0, 0)))


def draw(affine, count=20000, shape=(20, 30, 3)):
    p = affine.parameters((SEED, EPOCH), np.arange(count, dtype=np.int32), (count, *shape))
    return {name: np.asarray(v) for name, v in p._asdict().items() if v is not None}


# argument, value, our parameters, Keras's: it draws tx, along the columns, from height_shift_range and the height
FORMS = [
    ("rotation_range", 30, ["theta"], ["theta"]),
    ("rotation_range", 12.5, ["theta"], ["theta"]),
    ("shear_range", 20.0, ["shear"], ["shear"]),
    ("width_shift_range", 0.1, ["tx"], ["ty"]),
    ("height_shift_range", 0.25, ["ty"], ["tx"]),
    ("width_shift_range", 3.5, ["tx"], ["ty"]),
    ("height_shift_range", 1.0, ["ty"], ["tx"]),
    ("width_shift_range", 4, ["tx"], ["ty"]),
    ("height_shift_range", 2, ["ty"], ["tx"]),
    ("width_shift_range", 1, ["tx"], ["ty"]),
    ("width_shift_range", [0.1, 0.2, -0.3], ["tx"], ["ty"]),
    ("height_shift_range", [0, 2, 5], ["ty"], ["tx"]),
    ("height_shift_range", (0.5, 1.5), ["ty"], ["tx"]),
    ("zoom_range", 0.3, ["zx", "zy"], ["zx", "zy"]),
    ("zoom_range", [0.5, 1.7], ["zx", "zy"], ["zx", "zy"]),
    ("channel_shift_range", 25.0, ["channel_shift_intensity"], ["channel_shift_intensity"]),
    ("brightness_range", (0.4, 1.2), ["brightness"], ["brightness"]),
    ("horizontal_flip", True, ["flip_horizontal"], ["flip_horizontal"]),
    ("vertical_flip", True, ["flip_vertical"], ["flip_vertical"]),
]


@pytest.mark.parametrize("argument, value, ours, theirs", FORMS)
def test_parameters_follow_keras_distributions(argument, value, ours, theirs):
    drawn = draw(Affine(**{argument: value}))
    np.random.seed(0)
    generator = ImageDataGenerator(**{argument: value})
    peer = [generator.get_random_transform((20, 30, 3)) for _ in range(4000)]
    for our, their in zip(ours, theirs, strict=True):
        expected = np.array([p[their] for p in peer], np.float32)
        got = drawn.pop(our, np.zeros(20000, np.float32))  # one that can't move anything isn't drawn
        values = np.unique(expected)
        if len(values) < 20:
            np.testing.assert_allclose(np.unique(got), values, rtol=1e-6)
            for v in values:
                assert abs(np.isclose(got, v).mean() - np.isclose(expected, v).mean()) < 0.03
        else:
            assert scipy.stats.ks_2samp(got, expected).pvalue > 0.01
    assert not drawn


EVERYTHING = dict(rotation_range=30, width_shift_range=0.1, height_shift_range=[1, 2], shear_range=10, zoom_range=0.2,
                  channel_shift_range=20, brightness_range=(0.5, 1.5), horizontal_flip=True, vertical_flip=True)


def test_parameters_are_independent_and_an_argument_leaves_the_others_alone():
    whole = draw(Affine(**EVERYTHING))
    table = np.stack([np.abs(v) if n == "ty" else v for n, v in whole.items()])
    np.testing.assert_allclose(np.corrcoef(table), np.eye(10), atol=0.04)
    for argument, names in (("rotation_range", ["theta"]), ("zoom_range", ["zx", "zy"]),
                            ("vertical_flip", ["flip_vertical"])):
        alone = draw(Affine(**{argument: EVERYTHING[argument]}))
        assert list(alone) == names
        for name in names:
            np.testing.assert_array_equal(alone[name], whole[name])


def test_compiled_parameters_are_bit_equal_in_any_place_and_new_each_epoch():
    affine = Affine(**EVERYTHING | {"width_shift_range": 2.7, "zoom_range": (0.61, 1.37)})
    ids = np.array([5, 900, 17, 2**31 - 1], np.int32)

    def parameters(seed, ids):
        return affine.parameters(seed, ids, (1000, 20, 30, 3))

    everyone = parameters((SEED, EPOCH), np.arange(1000, dtype=np.int32))
    here, there = parameters((SEED, EPOCH), ids), compiled(parameters)(tf.constant([SEED, EPOCH]), ids)
    later = parameters((SEED, EPOCH + 1), np.arange(1000, dtype=np.int32))
    for a, b, c, d in zip(here, there, everyone, later, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a[:3], tf.gather(c, ids[:3]))
        assert (c.numpy() != d.numpy()).mean() > 0.4
    assert len(np.unique(everyone.theta)) == 1000


def test_pixels_depend_on_the_seed_and_the_id_alone():
    images = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    affine, ids = Affine(rotation_range=30, width_shift_range=0.2, horizontal_flip=True), np.arange(12, dtype=np.int32)
    whole = affine(images, (1, 0), ids).numpy()
    np.testing.assert_array_equal(whole, affine(images, (1, 0)))
    order = [7, 0, 11]
    np.testing.assert_array_equal(affine(images[order], (1, 0), ids[order]), whole[order])
    np.testing.assert_array_equal(
        augment(images, (1, 0), rotation_range=30, width_shift_range=0.2, horizontal_flip=True), whole)
    assert all((affine(images, seed).numpy() != whole).any((1, 2, 3)).all() for seed in [(1, 1), (2, 0)])


def test_in_a_dataset_under_a_strategy_and_in_a_compiled_step():
    images = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), dtype=np.uint8)
    affine, ids = Affine(rotation_range=30, fill_mode="reflect", rescale=1 / 255), np.arange(10, dtype=np.int32)
    expected = affine(images, (4, 2), ids).numpy()
    assert expected.max() <= 1
    data = tf.data.Dataset.from_tensor_slices((images, ids)).batch(4)
    data = data.map(lambda x, i: affine(x, (4, 2), i), num_parallel_calls=2)
    np.testing.assert_allclose(np.concatenate(list(data.as_numpy_iterator())), expected, atol=1e-5)
    strategy = tf.distribute.OneDeviceStrategy("/CPU:0")

    @tf.function
    def step(x, i):
        return strategy.run(compiled(lambda x, i: affine(x, tf.constant([4, 2]), i)), args=(x, i))

    np.testing.assert_allclose(step(images, ids), expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float16, np.float32, np.float64])
def test_only_what_is_asked_for_is_done(dtype):
    images = np.random.default_rng(0).integers(0, 256, (40, 6, 5, 1)).astype(dtype)
    np.testing.assert_array_equal(Affine()(images, (0, 0)), images.astype(np.float32))
    affine = Affine(horizontal_flip=True, vertical_flip=True)
    p = affine.parameters((0, 0), np.arange(40), images.shape)
    expected = np.stack([x[::-1 if v else 1, ::-1 if h else 1]
                         for x, h, v in zip(images, p.flip_horizontal, p.flip_vertical, strict=True)])
    for call in (affine, compiled(affine)):
        np.testing.assert_array_equal(call(images, tf.constant([0, 0])), expected.astype(np.float32))
    text = tf.function(affine).get_concrete_function(images, (0, 0)).graph.as_graph_def()
    assert not any(node.op.startswith("Gather") for node in text.node)


def test_height_moves_rows_and_width_moves_columns():
    image = np.zeros((1, 9, 9, 1), np.uint8)
    image[0, 4, 4] = 255
    rows = {tuple(np.argwhere(augment(image, (0, s), height_shift_range=[2])[0, ..., 0] > 0)[0]) for s in range(9)}
    columns = {tuple(np.argwhere(augment(image, (0, s), width_shift_range=[2])[0, ..., 0] > 0)[0]) for s in range(9)}
    assert rows == {(2, 4), (6, 4)} and columns == {(4, 2), (4, 6)}


@pytest.mark.parametrize("name, value", [
    ("rotation_range", -1), ("rotation_range", float("nan")), ("rotation_range", "30"), ("rotation_range", (1, 2)),
    ("shear_range", -0.1), ("channel_shift_range", float("inf")), ("width_shift_range", -0.1),
    ("height_shift_range", -2), ("height_shift_range", []), ("width_shift_range", [1, "a"]),
    ("width_shift_range", None), ("zoom_range", 1), ("zoom_range", -0.1), ("zoom_range", (0, 1)),
    ("zoom_range", [0.5, 1, 2]), ("zoom_range", (1.2, 0.8)), ("zoom_range", None), ("brightness_range", (1, 0.5)),
    ("brightness_range", (-1, 1)), ("brightness_range", 0.5), ("brightness_range", (0.1, 0.2, 0.3)),
    ("horizontal_flip", 2), ("vertical_flip", "yes"), ("fill_mode", "mirror"), ("fill_mode", None),
    ("cval", "black"), ("rescale", float("nan")), ("interpolation_order", 2), ("interpolation_order", -1),
    ("interpolation_order", None), ("interpolation_order", True), ("value_range", (1, 0)), ("value_range", (0, 0)),
    ("value_range", 255), ("value_range", "Keras"), ("value_range", (0, float("inf"))),
])
def test_wrong_arguments_are_named_with_what_is_allowed(name, value):
    with pytest.raises(ValueError) as error:
        Affine(**{name: value})
    assert str(error.value).startswith(f"{name}={value!r}: must be ")


@pytest.mark.parametrize("images, part", [
    (np.zeros((8, 8, 3)), "(8, 8, 3)"), (np.zeros((2, 8, 8, 5)), "1 to 4 channels"),
    (np.zeros((2, 8, 0, 3)), "images of shape"), (np.zeros((2, 8, 8, 3), bool), "bool"),
    (np.zeros((2, 8, 8, 3), complex), "complex128"),
])
def test_wrong_images_are_named(images, part):
    with pytest.raises(ValueError, match="images of") as error:
        Affine()(images, (0, 0))
    assert part in str(error.value)


def test_floats_are_sampled_as_bytes_are():
    images = np.random.default_rng(0).integers(0, 256, (8, 9, 12, 3), dtype=np.uint8)
    affine = Affine(rotation_range=40, zoom_range=0.3)
    np.testing.assert_allclose(affine(images.astype(np.float32), (0, 1)), affine(images, (0, 1)), atol=1e-3)


@pytest.mark.parametrize("shift", [-8.0, -16.0, 8.0])
def test_wrap_at_whole_laps(shift):
    image = np.random.default_rng(0).uniform(0, 255, (9, 9, 1)).astype(np.float32)
    moved = Affine(fill_mode="wrap").transform(image[None], Parameters(ty=np.float32([shift])))[0]
    np.testing.assert_allclose(moved, reference.apply_transform(image, {"ty": shift}, "wrap", 0), atol=1e-3)
