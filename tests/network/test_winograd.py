"""The convolutions in C against their definition, against TensorFlow's, and inside a run."""
import dataclasses
import importlib.util

import keras
import numpy as np
import pytest
import tensorflow as tf

from cifar_fast.errors import UserError
from cifar_fast.machine import devices, runtime
from cifar_fast.network import layers, winograd
from cifar_fast.system import operations, processor
from cifar_fast.training import trainer
from tests.support import tiny

here = pytest.mark.skipif(
    not winograd.LIBRARY or not winograd.INSTRUCTIONS["float32"] <= processor.flags(),
    reason="needs the C code, which an installation compiles where there is a C compiler, and AVX2")
in_bfloat16 = pytest.mark.skipif(
    not winograd.LIBRARY or not winograd.INSTRUCTIONS["bfloat16"] <= processor.flags() or not winograd.has_bfloat16(),
    reason="needs the C code, by a compiler that knows avx512_bf16, and that; test_native has this form on AVX2")


def arrays(shape, filters, dtype="float32"):
    """x, kernel, bias, skip and dy for images of a shape [B, H, W, C]."""
    rng, outputs = np.random.default_rng(0), (*shape[:-1], filters)
    return [tf.cast(rng.normal(size=size), kind) for size, kind in (
        (shape, dtype), ((3, 3, shape[-1], filters), "float32"), ((filters,), "float32"), (outputs, dtype),
        (outputs, dtype))]


def defined(x, kernel, bias, skip, dy):
    """The definitions, in float64: y, and the gradients by all but dy, the former two as sums over the nine taps."""
    (_, height, width, _), margins = x.shape, [(0, 0), (1, 1), (1, 1), (0, 0)]
    x, kernel, bias, skip, dy = (array.numpy().astype(np.float64) for array in (x, kernel, bias, skip, dy))
    padded, taps = np.pad(x, margins), [(a, b) for a in range(3) for b in range(3)]
    seen = {(a, b): padded[:, a:a + height, b:b + width] for a, b in taps}
    dx = np.zeros_like(padded)
    for a, b in taps:
        dx[:, a:a + height, b:b + width] += dy @ kernel[a, b].T
    by_kernel = np.reshape([np.einsum("ihwc,ihwf->cf", seen[tap], dy) for tap in taps], kernel.shape)
    return (sum(seen[tap] @ kernel[tap] for tap in taps) + bias + skip, dx[:, 1:-1, 1:-1], by_kernel,
            dy.sum((0, 1, 2)), dy)


def computed(*inputs):
    *inputs, dy = inputs
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = winograd.convolution(*inputs)
    return [tensor.numpy() for tensor in (y, *tape.gradient(y, inputs, dy))]


@pytest.fixture(params=[False, True], ids=["narrow", "wide"])
def form(request, monkeypatch):
    """The C code in its form for AVX2, and in that for AVX-512 where the processor has it."""
    if request.param and "avx512f" not in processor.flags():
        pytest.skip("needs AVX-512; test_native has this form on AVX2")
    monkeypatch.setattr(winograd, "wide", lambda: request.param)


@here
@pytest.mark.parametrize("threads", [1, 2, 5, 100])
@pytest.mark.parametrize("shape, filters", [
    ((1, 1, 1, 16), 16), ((2, 3, 5, 16), 32), ((9, 5, 5, 32), 16), ((7, 8, 8, 32), 48), ((5, 6, 7, 16), 32),
    ((3, 20, 20, 16), 16), ((4, 9, 4, 16), 16), ((13, 2, 2, 48), 32), ((0, 4, 4, 16), 16)])
def test_it_and_its_gradients_are_the_definitions(shape, filters, threads, monkeypatch, form):
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: threads)
    given = arrays(shape, filters)
    found = computed(*given)
    for ours, truth in zip(found, defined(*given), strict=True):
        assert ours.shape == truth.shape
        np.testing.assert_allclose(ours, truth, rtol=0, atol=3e-5 * truth.std() if truth.size else 0)
    assert tiny.same(found, computed(*given))


@here
def test_without_a_skip_it_is_less_by_that():
    x, kernel, bias, skip, dy = arrays((2, 6, 5, 16), 32)
    found, whole = computed(x, kernel, bias, dy), computed(x, kernel, bias, skip, dy)
    np.testing.assert_allclose(found[0] + skip, whole[0], atol=1e-5)
    assert tiny.same(found[1:], whole[1:-1])


@in_bfloat16
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("shape, filters", [
    ((2, 1, 1, 32), 32), ((9, 5, 5, 32), 64), ((7, 8, 8, 64), 32), ((3, 20, 20, 32), 32), ((13, 2, 2, 96), 32),
    ((0, 4, 4, 32), 32)])
def test_in_bfloat16_they_are_the_definitions_but_for_rounding(shape, filters, threads, monkeypatch):
    """Factors are rounded to 8 bits at their points: 1.2% of root mean square, where inputs alone rounded make 0.2%."""
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: threads)
    given = arrays(shape, filters, "bfloat16")
    found = computed(*given)
    assert [array.dtype for array in found] == [tf.bfloat16] * 2 + [tf.float32] * 2 + [tf.bfloat16]
    for ours, truth in zip(found, defined(*given), strict=True):
        assert ours.shape == truth.shape
        assert np.square(ours - truth).sum() <= np.square(truth).sum() * 0.015**2
    assert tiny.same(found, computed(*given))


@here
def test_what_it_sees_stays_in_an_image():
    """The images share windows: what is not finite in one reaches no other."""
    x = np.zeros((6, 5, 5, 16), np.float32)
    x[2, 4], x[3, 0, 0] = np.inf, np.nan
    found = winograd.convolution(x, np.ones((3, 3, 16, 16), np.float32), np.zeros(16, np.float32)).numpy()
    assert np.isfinite(found[[0, 1, 4, 5]]).all() and not np.isfinite(found[[2, 3]]).all()


@pytest.mark.parametrize("policy, most", [
    pytest.param("float32", 3e-5, marks=here), pytest.param("mixed_bfloat16", 0.05, marks=in_bfloat16)])
def test_a_layer_with_it_equals_keras(policy, most):
    rng = np.random.default_rng(0)
    images = tf.cast(rng.normal(size=(6, 9, 10, 32)), policy.removeprefix("mixed_"))
    kernel = rng.normal(size=(3, 3, 32, 64))
    results = []
    for made in (keras.layers.Conv2D(64, 3, padding="same", dtype=policy),
                 layers.Convolution(64, 3, padding="same", dtype=policy, by_winograd=True)):
        made.build(images.shape)
        made.kernel.assign(kernel)

        @tf.function
        def passed(layer=made):
            with tf.GradientTape() as tape:
                tape.watch(images)
                outputs = layer(images)
                loss = tf.reduce_mean(outputs**2)
            return outputs, *tape.gradient(loss, [images, *(v.value for v in layer.trainable_variables)])

        results.append(passed())
    assert made.by_winograd
    for theirs, ours in zip(*results, strict=True):
        assert ours.dtype == theirs.dtype
        theirs = np.asarray(theirs, np.float32)
        np.testing.assert_allclose(np.asarray(ours, np.float32), theirs, rtol=0, atol=most * np.abs(theirs).max())


@pytest.mark.parametrize("size, options, channels, serves", [
    (3, {}, 32, True), (3, {}, 20, False), (3, {"strides": 2}, 32, False), (1, {}, 32, False), (7, {}, 32, False),
    ((3, 1), {}, 32, False)])
def test_only_what_it_computes_is_given_to_it(size, options, channels, serves):
    for filters, served in ((48, serves), (40, False)):
        layer = layers.Convolution(filters, size, padding="same", by_winograd=True, **options)
        layer.build((None, 8, 8, channels))
        assert layer.by_winograd == served


def test_in_bfloat16_it_takes_whole_vectors_of_pairs():
    for channels, filters in ((32, 64), (16, 32), (32, 48)):
        layer = layers.Convolution(filters, 3, padding="same", dtype="mixed_bfloat16", by_winograd=True)
        layer.build((None, 8, 8, channels))
        assert layer.by_winograd == (channels % 32 == filters % 32 == 0)


@here
def test_other_shapes_are_refused():
    x, kernel, bias = tf.zeros((2, 8, 8, 16)), tf.zeros((3, 3, 16, 16)), tf.zeros(16)
    convolution = operations.load(winograd.LIBRARY.origin).cifar_fast_convolution
    for wrong in ((x, kernel[..., :8], bias, []), (x, kernel[:2], bias, []), (x[..., :8], kernel[:, :, :8], bias, []),
                  (x[0], kernel, bias, []), (x[:, :0], kernel, bias, []), (x, kernel, bias[:8], []),
                  (x, kernel, bias[None], []), (x, kernel, bias, [x[:1]]), (x, kernel, bias, [x[0]]),
                  (x, kernel, bias, [x, x])):
        with pytest.raises(tf.errors.InvalidArgumentError, match="sizes differ|four dimensions|one array at most"):
            convolution(*wrong, threads=1, wide=False)


@here
def test_a_network_learns_the_same_with_it_on_one_device_and_on_two():
    found = []
    for on, choice in ((0, False), (0, True), (2, True)):
        ours = tiny.make_trainer(on=on, filters=16, dropout=0.0, sync_batch_norm=True, by_winograd=choice)
        assert any(layer.by_winograd for layer in _convolutions(ours)) == choice
        found.append(tiny.losses(ours, 3))
    for losses in found[1:]:
        np.testing.assert_allclose(losses, found[0], rtol=1e-3)


def _convolutions(ours):
    return [layer for layer in ours.model.layers if isinstance(layer, layers.Convolution)]


@pytest.fixture
def compiled(monkeypatch):
    """As if the C code were there, with oneDNN free."""
    monkeypatch.setattr(winograd, "LIBRARY", "here")
    monkeypatch.setattr(winograd, "has_bfloat16", lambda: True)
    monkeypatch.setattr(winograd, "refused", lambda: "")
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)


@pytest.mark.parametrize("instructions, limit, ours", [
    ({"avx2", "fma"}, "", True), ({"avx2"}, "", False), (set(), "", False), ({"avx2", "fma", "avx512f"}, "", True),
    ({"avx2", "fma", "avx512f"}, "AVX2", True), ({"avx2", "fma", "avx512f"}, "AVX512_CORE", True)])
def test_auto_takes_it_in_float32_where_there_is_avx2(instructions, limit, ours, compiled, monkeypatch):
    monkeypatch.setattr(processor, "flags", lambda: instructions)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    compute = devices.resolve("float32", "off")
    assert compute.by_winograd == ours
    assert compute.reasons["convolutions"].startswith("3×3 by our code in C" if ours else "by TensorFlow")
    assert winograd.wide() == ("avx512f" in instructions and limit != "AVX2")


@pytest.mark.parametrize("instructions, limit, ours, why", [
    ({"avx512f", "avx512_bf16"}, "", True, "bfloat16, AVX-512; where channels and filters are multiples of 32"),
    ({"avx512f", "avx512_bf16", "amx_bf16"}, "", False, "oneDNN's bfloat16 has matrix units, amx_bf16"),
    ({"avx2", "fma", "avx512f"}, "", False, "the processor has no avx512_bf16"),
    ({"avx512f", "avx512_bf16"}, "AVX2", False, "its bfloat16 is for AVX-512, and oneDNN is limited to AVX2")])
def test_auto_takes_it_in_bfloat16_where_there_are_dot_products_and_no_matrix_units(
        instructions, limit, ours, why, compiled, monkeypatch):
    monkeypatch.setattr(processor, "flags", lambda: instructions)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    compute = devices.resolve("bfloat16", "off")
    assert compute.by_winograd == ours and why in compute.reasons["convolutions"]
    monkeypatch.setattr(winograd, "has_bfloat16", lambda: False)
    assert not devices.resolve("bfloat16", "off").by_winograd


def test_code_that_tensorflow_does_not_load_is_not_taken(tmp_path, monkeypatch):
    """As that of another TensorFlow, which lacks one of its functions."""
    monkeypatch.setattr(processor, "flags", lambda: {"avx2", "fma"})
    (tmp_path / "broken.so").write_text("no library")
    monkeypatch.setattr(winograd, "LIBRARY", importlib.util.spec_from_file_location("x", tmp_path / "broken.so"))
    assert "this TensorFlow does not load it (broken.so: " in devices.resolve("float32", "off").reasons["convolutions"]
    with pytest.raises(UserError, match="--convolutions=winograd: this TensorFlow does not load it"):
        devices.resolve("float32", "off", convolutions="winograd")


def test_what_is_asked_for_is_taken_or_refused(compiled, monkeypatch):
    monkeypatch.setattr(processor, "flags", lambda: {"avx2", "fma", "avx512f", "avx512_bf16"})
    assert devices.resolve("float32", "off", convolutions="winograd").by_winograd
    assert not devices.resolve("float32", "off", convolutions="tensorflow").by_winograd
    for arguments, complaint in (
            (("float16", "off"), "it is float32 or bfloat16, not float16"), (("float32", "on"), "XLA can't hold it")):
        with pytest.raises(UserError, match=f"--convolutions=winograd: {complaint}"):
            devices.resolve(*arguments, convolutions="winograd")
        assert not devices.resolve(*arguments).by_winograd
    assert runtime.decide(tiny.config(filters=4, convolutions="winograd")).compute.by_winograd
    for filters, precision, lanes in ((6, "float32", 16), (12, "bfloat16", 32)):
        with pytest.raises(UserError, match=f"with --filters={filters} no convolution has a multiple of {lanes}"):
            runtime.decide(tiny.config(filters=filters, precision=precision, convolutions="winograd"))
    monkeypatch.setattr(winograd, "LIBRARY", None)
    with pytest.raises(UserError, match="--convolutions=winograd: it was not compiled"):
        devices.resolve("float32", "off", convolutions="winograd")
    assert "not compiled" in devices.resolve("float32", "off").reasons["convolutions"]


@pytest.mark.parametrize("ours", [pytest.param(True, marks=here), False])
def test_a_run_s_network_has_what_was_decided(ours):
    compute = dataclasses.replace(devices.resolve("float32", "off"), by_winograd=ours)
    model = trainer.build_model(tiny.config(filters=16), compute, 10, (32, 32, 3))
    assert [unit["conv2"].by_winograd for unit in model.units] == [ours] * 3
