"""The gradient in C against its definition, against TensorFlow's, and inside a run."""
import dataclasses
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from cifar_fast import devices, kernel_gradient, layers, processor, trainer
from cifar_fast.errors import UserError

here = pytest.mark.skipif(
    not kernel_gradient.LIBRARY or not kernel_gradient.INSTRUCTIONS <= processor.flags(),
    reason="needs the C code, which an installation compiles where there is a C compiler, and AVX2")


def defined(x, dy):
    """The definition, in float64: a tap's gradient is the product of dy and of x moved by it."""
    (_, height, width, _), x = x.shape, np.pad(x.astype(np.float64), [(0, 0), (1, 1), (1, 1), (0, 0)])
    return np.stack([[np.einsum("ihwc,ihwf->cf", x[:, a:a + height, b:b + width], dy) for b in range(3)]
                     for a in range(3)])


@here
@pytest.mark.parametrize("cores", [1, 3])
@pytest.mark.parametrize("shape, filters", [
    ((1, 1, 1, 1), 32), ((2, 3, 5, 3), 32), ((9, 5, 5, 20), 64), ((7, 8, 8, 32), 96), ((5, 20, 20, 8), 32),
    ((2, 33, 7, 4), 32), ((1, 3, 200, 2), 64)])
def test_by_kernel_is_the_definition(shape, filters, cores, monkeypatch):
    monkeypatch.setattr(processor, "usable_cores", lambda: cores)
    rng = np.random.default_rng(0)
    x, dy = (rng.normal(size=(*shape[:3], n)).astype(np.float32) for n in (shape[3], filters))
    found = kernel_gradient.by_kernel_of(x, dy)
    np.testing.assert_allclose(found, defined(x, dy), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(found, kernel_gradient.by_kernel_of(x, dy))


@here
def test_a_layer_with_it_equals_keras():
    rng = np.random.default_rng(0)
    images = tf.constant(rng.normal(size=(6, 9, 10, 5)), tf.float32)
    results = []
    for made in (keras.layers.Conv2D(32, 3, padding="same"),
                 layers.Convolution(32, 3, padding="same", native_gradient=True)):
        made.build(images.shape)
        made.kernel.assign(np.linspace(-1, 1, 9 * 5 * 32).reshape(3, 3, 5, 32))

        @tf.function
        def passed(layer=made):
            with tf.GradientTape() as tape:
                tape.watch(images)
                outputs = layer(images)
                loss = tf.reduce_sum(outputs**2)
            return outputs, *tape.gradient(loss, [images, *(v.value for v in layer.trainable_variables)])

        results.append(passed())
    assert made.native_gradient
    for theirs, ours in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("size, options, serves", [
    (3, {}, True), (3, {"strides": 2}, False), (1, {}, False), (7, {}, False), ((3, 1), {}, False)])
def test_only_what_it_computes_is_given_to_it(size, options, serves):
    assert layers.Convolution(64, size, padding="same", native_gradient=True, **options).native_gradient == serves
    assert not layers.Convolution(48, size, padding="same", native_gradient=True, **options).native_gradient


@here
@pytest.mark.parametrize("on", [0, 2])
def test_a_network_learns_the_same_with_it(on):
    found = []
    for choice in (True, False):
        ours = tiny.make_trainer(on=on, filters=32, native=choice)
        assert any(layer.native_gradient for layer in _convolutions(ours)) == choice
        found.append(tiny.losses(ours, 3))
    np.testing.assert_allclose(*found, rtol=1e-4)


def _convolutions(ours):
    return [layer for layer in ours.model.layers if isinstance(layer, layers.Convolution)]


@here
def test_no_memory_for_it_stops_the_run(monkeypatch):
    monkeypatch.setattr(kernel_gradient, "_library", lambda: types.SimpleNamespace(kernel_gradient=lambda *_: -1))
    with pytest.raises(MemoryError, match="gradient of a convolution"):
        kernel_gradient.by_kernel_of(np.zeros((2, 4, 4, 3), np.float32), np.zeros((2, 4, 4, 32), np.float32))


@pytest.fixture
def compiled(monkeypatch):
    """As if the C code were there, with oneDNN free."""
    monkeypatch.setattr(kernel_gradient, "LIBRARY", "here")
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)


@pytest.mark.parametrize("instructions, limit, native", [
    ({"avx2", "fma"}, "", True), ({"avx2"}, "", False), (set(), "", False), ({"avx2", "fma", "avx512f"}, "", False),
    ({"avx2", "fma", "avx512f"}, "AVX2", True), ({"avx2", "fma", "avx512f"}, "AVX512_CORE", False)])
def test_auto_takes_it_where_there_is_avx2_and_no_more(instructions, limit, native, compiled, monkeypatch):
    monkeypatch.setattr(processor, "flags", lambda: instructions)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    runtime = devices.resolve("float32", "off")
    assert runtime.native_gradient == native
    assert runtime.reasons["gradients"].startswith("of kernels by " + ("our code in C" if native else "TensorFlow"))


def test_what_is_asked_for_is_taken_or_refused(compiled, monkeypatch):
    monkeypatch.setattr(processor, "flags", lambda: {"avx2", "fma", "avx512f", "avx512_bf16"})
    assert devices.resolve("float32", "off", gradient="native").native_gradient
    assert not devices.resolve("float32", "off", gradient="tensorflow").native_gradient
    for arguments, complaint in (
            (("bfloat16", "off"), "it is float32, not bfloat16"), (("float32", "on"), "XLA can't hold it")):
        with pytest.raises(UserError, match=f"--kernel_gradient=native: {complaint}"):
            devices.resolve(*arguments, gradient="native")
        assert not devices.resolve(*arguments).native_gradient
    assert devices.decide(tiny.config(filters=8, kernel_gradient="native"))[1].native_gradient
    with pytest.raises(UserError, match="with --filters=12 no convolution has a multiple of 32"):
        devices.decide(tiny.config(filters=12, kernel_gradient="native"))
    monkeypatch.setattr(kernel_gradient, "LIBRARY", None)
    with pytest.raises(UserError, match="--kernel_gradient=native: it was not compiled"):
        devices.resolve("float32", "off", gradient="native")
    assert "not compiled" in devices.resolve("float32", "off").reasons["gradients"]


@pytest.mark.parametrize("native", [True, False])
def test_a_run_s_network_has_what_was_decided(native):
    runtime = dataclasses.replace(devices.resolve("float32", "off"), native_gradient=native)
    model = trainer.build_model(tiny.config(filters=32), runtime, tiny.data())
    assert [unit["conv2"].native_gradient for unit in model.units] == [native] * 3
