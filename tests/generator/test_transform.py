"""The compiled transforms against each other: C and XLA, threads, sizes, and parameters that no image survives."""
import numpy as np
import pytest

from cifar_fast.generator import ImageDataGenerator, kernel, parameters, transform
from tests.support.generator_peers import needs_kernel

EVERYTHING = dict(rotation_range=60, width_shift_range=0.3, height_shift_range=3, shear_range=20, zoom_range=0.4,
                  channel_shift_range=40, horizontal_flip=True, vertical_flip=True, cval=12.5)


def batch(generator, images, seed=0, dtype=np.float32, rescale=None):
    height, width, _ = transform.sizes(generator, images.shape[1:])
    drawn = parameters.batch_draw(generator, np.random.default_rng(seed), len(images), height, width)
    return transform.batch(generator, images, np.arange(len(images)), drawn, dtype, rescale)


@needs_kernel
@pytest.mark.parametrize("arguments", [
    {"data_format": "channels_first", "interpolation_order": 0, "fill_mode": "reflect"},
    {"brightness_range": (0.5, 1.5)}, {"dtype": "float64", "fill_mode": "constant"}])
def test_xla_serves_where_the_c_code_was_not_compiled(monkeypatch, arguments):
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 11, 3), dtype=np.uint8)
    generator = ImageDataGenerator(**EVERYTHING | arguments)
    images = images.astype(generator.dtype) if "dtype" in arguments else images
    if generator.data_format == "channels_first":
        images = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    expected = batch(generator, images, rescale=0.5, dtype=np.dtype(generator.dtype))
    monkeypatch.setattr(kernel, "LIBRARY", None)
    got = batch(generator, images, rescale=0.5, dtype=np.dtype(generator.dtype))
    assert got.dtype == expected.dtype and got.flags.c_contiguous
    # Where a position lies on the edge, or a value next to a whole number that brightness cuts, float32 may differ.
    assert (np.abs(got - expected) > 2e-3).mean() < 2e-3


@needs_kernel
@pytest.mark.parametrize("planar", [False, True])
def test_neither_threads_nor_company_change_an_image(monkeypatch, planar):
    x = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    x = np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if planar else x
    generator = ImageDataGenerator(**EVERYTHING, data_format="channels_first" if planar else "channels_last")
    whole = batch(generator, x)
    for threads in (1, 2, 5, 64, 1000):
        monkeypatch.setattr(kernel, "_cores", lambda threads=threads: threads)
        np.testing.assert_array_equal(batch(generator, x), whole)
    drawn = parameters.batch_draw(generator, np.random.default_rng(0), 40, 32, 32)
    some = {name: value[[7, 7]] if np.ndim(value) else value for name, value in drawn.items()}
    for image in transform.batch(generator, x, np.array([7, 7]), some, np.float32):
        np.testing.assert_array_equal(image, whole[7])


@needs_kernel
@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 7, 3), (7, 1, 1), (2, 2, 4), (3, 5, 2), (5, 3, 7)])
@pytest.mark.parametrize("fill_mode", kernel.FILL_MODES)
def test_small_images_and_any_channels(shape, fill_mode):
    from scipy import ndimage
    x = np.random.default_rng(0).normal(size=(6, *shape))
    generator = ImageDataGenerator(fill_mode=fill_mode, cval=3, rotation_range=90, zoom_range=(0.3, 3), shear_range=40)
    drawn = parameters.batch_draw(generator, np.random.default_rng(1), 6, *shape[:2])
    matrices, _ = parameters.matrices(drawn, 6, *shape[:2])
    got = transform.batch(generator, x, np.arange(6), drawn, np.float64)
    for image, moved, matrix in zip(x, got, matrices, strict=True):
        for channel in range(shape[2]):
            expected = ndimage.affine_transform(image[..., channel], matrix.reshape(2, 3)[:, :2], matrix[[2, 5]],
                                                order=1, mode=fill_mode, cval=3)
            np.testing.assert_allclose(moved[..., channel], expected, atol=1e-9)


@needs_kernel
@pytest.mark.parametrize("fill_mode", kernel.FILL_MODES)
def test_parameters_beyond_reason_harm_nothing(fill_mode):
    generator, x = ImageDataGenerator(fill_mode=fill_mode), np.ones((5, 4, 3), np.float32)
    for order in (0, 1):
        generator.interpolation_order = order
        for value in (1e300, -1e300, 1e19, np.inf, -np.inf, np.nan, 0.0):
            for name in ("theta", "tx", "zx", "shear"):
                with np.errstate(invalid="ignore"):
                    assert generator.apply_transform(x, {name: value}).shape == x.shape


@needs_kernel
def test_what_the_kernel_cannot_take_is_not_given_to_it():
    plan = np.zeros(1, kernel.PLAN)
    plan["source"] = 3
    x = np.zeros((2, 4, 4, 1), np.uint8)
    options = dict(planar=False, fill_mode="nearest", cval=0, order=1)
    with pytest.raises(AssertionError):
        kernel.transform(x, plan, np.zeros((1, 4, 4, 1), np.float32), **options)
    with pytest.raises(AssertionError):
        kernel.transform(x, np.zeros(1, kernel.PLAN), np.zeros((1, 4, 5, 1), np.float32), **options)
