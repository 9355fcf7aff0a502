"""The resample in C: where it serves, what it refuses, and that it gives the pixels that XLA's program gives.
test_affine.py holds it to SciPy."""
import keras
import numpy as np
import pytest
import tensorflow as tf

from cifar_fast.augment import kernel
from cifar_fast.augment.affine import Affine
from cifar_fast.augment.layer import RandomAffine
from cifar_fast.system import processor

pytestmark = pytest.mark.skipif(
    kernel.LIBRARY is None or tf.config.list_physical_devices("GPU"), reason="needs cifar_fast_affine_op, and no GPU")
SHAPES = [(3, 32, 32, 3), (2, 17, 23, 1), (2, 9, 14, 2), (1, 1, 1, 3), (2, 1, 7, 4), (2, 6, 1, 3),
          (2, 224, 200, 3), (0, 8, 8, 3)]
MOVES = dict(rotation_range=40, width_shift_range=0.3, height_shift_range=2.5, zoom_range=0.4, shear_range=15)


def compiled(function):
    return tf.function(function, jit_compile=True, autograph=False)


def pixels(shape):
    return tf.constant(np.random.default_rng(list(shape)).integers(0, 256, shape, dtype=np.uint8))


@pytest.fixture
def calls(monkeypatch):
    """The shapes of the images of each call of the kernel."""
    shapes, resample = [], kernel.resample
    monkeypatch.setattr(kernel, "resample",
                        lambda images, *how: shapes.append(images.shape) or resample(images, *how))
    return shapes


@pytest.mark.parametrize("shape", SHAPES)
def test_affine_takes_it_where_xla_does_not_compile_and_gives_the_same_pixels(shape, calls):
    images = pixels(shape)
    light = dict(channel_shift_range=20, brightness_range=(0.5, 1.5), value_range=(0, 255), rescale=1 / 255)
    affine = Affine(**MOVES, **light, horizontal_flip=True, vertical_flip=True)
    expected = compiled(affine)(images, tf.constant([3, 1]))
    assert not calls
    for call in (affine, tf.function(affine, autograph=False)):
        found = call(images, tf.constant([3, 1]))
        assert found.shape == shape and found.dtype == tf.float32
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    assert calls == [shape, shape]


def test_a_batch_of_unknown_size_in_a_dataset(calls):
    images, affine = pixels((5, 8, 8, 3)), Affine(**MOVES)
    data = tf.data.Dataset.from_tensor_slices(images).batch(3).map(lambda batch: affine(batch, (1, 0)))
    assert data.element_spec.shape.as_list() == [None, 8, 8, 3] and len(calls) == 1
    np.testing.assert_array_equal(next(iter(data)), affine(images[:3], (1, 0)))


@pytest.mark.parametrize("others", [dict(dtype=tf.float32), dict(dtype=tf.int32)])
def test_what_it_does_not_take_is_left_to_tensorflow(others, calls):
    Affine(**MOVES)(tf.cast(pixels((2, 8, 8, 3)), **others), (0, 0))
    assert not calls


def test_gradients_by_float_images_remain():
    images = tf.Variable(tf.cast(pixels((2, 8, 8, 3)), tf.float32))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(Affine(**MOVES)(images, (0, 0)))
    assert tf.reduce_max(tape.gradient(total, images)) > 0.1


def test_flips_alone_move_whole_pixels(calls):
    images = pixels((6, 8, 8, 3)).numpy()
    found = Affine(horizontal_flip=True)(images, (0, 0)).numpy()
    assert not calls and all((a == b).all() or (a == b[:, ::-1]).all() for a, b in zip(found, images, strict=True))


def test_the_layer_takes_it_in_a_dataset_and_leaves_compiled_models_to_xla(calls):
    images = pixels((4, 8, 8, 3))
    layer = RandomAffine(**MOVES, seed=1)
    mapped = next(iter(tf.data.Dataset.from_tensors(images).map(lambda batch: layer(batch, training=True))))
    assert calls == [(4, 8, 8, 3)]
    layer = RandomAffine(**MOVES, seed=1)
    np.testing.assert_allclose(compiled(layer)(images, training=True), mapped, rtol=0, atol=1e-3)
    model = keras.Sequential([keras.Input((8, 8, 3), dtype="uint8"), RandomAffine(**MOVES, seed=1),
                              keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=True)
    model.fit(images, np.zeros((4, 1)), verbose=0)
    assert len(calls) == 1


def test_as_many_threads_as_there_may_be_give_the_same(monkeypatch):
    images, affine = pixels((64, 40, 40, 3)), Affine(**MOVES)
    found = []
    for threads in (1, 2, 100):
        monkeypatch.setattr(processor, "usable_cores", lambda threads=threads: threads)
        found.append(affine(images, (0, 0)))
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


@pytest.mark.parametrize("images, matrices", [
    ((2, 8, 8, 3), (1, 6)), ((2, 8, 8, 3), (2, 5)), ((2, 8, 8, 3), (12,)), ((2, 8, 8), (2, 6)),
    ((2, 0, 8, 3), (2, 6)), ((2, 8, 8, 0), (2, 6))])
def test_other_shapes_are_refused(images, matrices):
    with pytest.raises(tf.errors.InvalidArgumentError, match="needs images"):
        kernel.resample(tf.zeros(images, tf.uint8), tf.zeros(matrices, tf.float64))


def test_places_that_are_no_numbers_read_within_the_image():
    matrices = tf.constant([[np.nan] * 6, [np.inf] * 6, [1e300] * 6, [-1e300, 1e300, np.inf, 0, 0, 1]], tf.float64)
    for fill_mode in kernel.FILL_MODES:
        for order in (0, 1):
            found = kernel.resample(pixels((4, 8, 8, 3)), matrices, fill_mode, 7.0, order)
            assert ((found >= 0) & (found <= 255)).numpy().all()
