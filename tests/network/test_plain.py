"""The network of Keras's own layers beside ours: probabilities, training, and a file that needs nothing of ours."""
import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from cifar_fast.network import plain, resnet
from cifar_fast.training.batch import Statistics

SHAPE = (12, 16, 3)
IMAGES = np.random.default_rng(0).integers(0, 256, (6, *SHAPE), dtype=np.uint8)
NETWORKS = {
    "plain": dict(activation="relu", dropout=0.0), "dropped": dict(dropout=0.2, stochastic_depth=0.3, activation="elu"),
    "all": dict(activation="silu", dropout=0.0, whitening=True, blur=True, final_activation=True, norm_momentum=0.9)}


def made(name):
    """A network as if trained, and its plain form."""
    model, random = resnet.build(10, SHAPE, units=3, filters=4, **NETWORKS[name]), np.random.default_rng(1)
    model.set_weights([w + random.uniform(0.1, 0.4, w.shape) * (w.ndim == 1) for w in model.get_weights()])
    if model.whitening:
        model.whitening.kernel.assign(random.normal(0, 0.1, model.whitening.kernel.shape))
    model.dense.kernel.assign(model.dense.kernel / 10)  # logits of the size that trained ones have
    kind = "scalar" if name == "plain" else "channel"
    return model, plain.functional(model, Statistics.of(IMAGES, kind), SHAPE), Statistics.of(IMAGES, kind)


@pytest.mark.parametrize("name", NETWORKS)
def test_probabilities_are_ours(name):
    model, found, statistics = made(name)
    expected = tf.nn.softmax(model(statistics(IMAGES)))
    assert expected.numpy().std() > 0.01 and expected.numpy().max() < 0.9
    np.testing.assert_allclose(found(IMAGES.astype(np.float32)), expected, atol=1e-4)
    np.testing.assert_allclose(found.predict(IMAGES, verbose=0), expected, atol=1e-4)


def test_a_global_policy_does_not_change_it():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        _, found, _ = made("all")
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.compute_dtype for layer in found.layers[1:] if hasattr(layer, "compute_dtype")} == {"float32"}


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_saved_file_opens_and_trains_without_cifar_fast(backend, tmp_path):
    if not importlib.util.find_spec(backend):
        pytest.skip(f"{backend} is not installed")
    _, found, _ = made("all")
    found.save(tmp_path / "plain.keras")
    np.savez(tmp_path / "expected.npz", images=IMAGES, probabilities=found.predict(IMAGES, verbose=0))
    printed = subprocess.run([sys.executable, "-c", ELSEWHERE], check=True, capture_output=True, text=True,
                             cwd=tmp_path, env=os.environ | {"KERAS_BACKEND": backend}).stdout
    assert printed.splitlines()[-1] == f"{backend}, not trained: whitening, unit2_blur, unit3_blur, dense"


ELSEWHERE = """
import sys
sys.modules["cifar_fast"] = None  # importing it fails
import keras, numpy as np
model, saved = keras.saving.load_model("plain.keras"), np.load("expected.npz")
np.testing.assert_allclose(model.predict(saved["images"], verbose=0), saved["probabilities"], atol=1e-4)
before = {layer.name: layer.get_weights() for layer in model.layers}
tuned = keras.Model(model.inputs, keras.layers.Dense(3, "softmax")(model.layers[-2].output))
tuned.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
tuned.fit(saved["images"], np.arange(6) % 3, verbose=0)
fixed = [layer.name for layer in model.layers if layer.weights and all(
    np.array_equal(a, b) for a, b in zip(layer.get_weights(), before[layer.name]))]
print(f"{keras.backend.backend()}, not trained: {', '.join(fixed)}")
"""


def test_dropout_and_stochastic_depth_stand_where_ours_do():
    _, found, _ = made("dropped")
    dropouts = [layer for layer in found.layers if isinstance(layer, keras.layers.Dropout)]
    assert [(round(d.rate, 3), d.noise_shape) for d in dropouts] == [
        (0.2, None), (0.15, plain.DEPTH), (0.2, None), (0.3, plain.DEPTH), (0.2, None)]
    inputs = IMAGES.astype(np.float32)
    assert np.abs(found(inputs, training=True) - found(inputs, training=True)).max() > 1e-6
