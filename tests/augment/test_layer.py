"""The layers in models, saved and loaded, compiled and not, over replicas and in tf.data; each against its function."""
import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from cifar_fast.augment import crops, kernel, mixing
from cifar_fast.augment.affine import Affine
from cifar_fast.augment.layer import CutMix, Cutout, MixUp, RandomAffine, RandomPadCrop

ARGUMENTS = dict(rotation_range=30, width_shift_range=[1, 2], zoom_range=(0.8, 1.2), horizontal_flip=True,
                 brightness_range=[0.5, 1.5], value_range=(0, 255), fill_mode="constant", cval=7.0)
IMAGES = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
LABELS = (np.arange(12) % 3).astype(np.int32)


def by_function(call, seed=5, images=IMAGES, **arguments):
    """What a call of the layer, the first being 0, must give: it takes the code in C or compiles, too."""
    affine = Affine(**arguments or ARGUMENTS)
    in_c = kernel.serves(tf.constant(images))
    return (affine if in_c else tf.function(affine, jit_compile=True))(images, [seed, call]).numpy()


def network(layer=None, functional=False):
    keras.utils.set_random_seed(1)
    layers = [layer or RandomAffine(rotation_range=30, horizontal_flip=True, rescale=1 / 255, seed=5),
              keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.GlobalAveragePooling2D(),
              keras.layers.Dense(3)]
    if not functional:
        return keras.Sequential([keras.Input((8, 8, 3)), *layers])
    x = inputs = keras.Input((8, 8, 3))
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, x)


def compiled(model, jit_compile=True):
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), keras.losses.SparseCategoricalCrossentropy(True),
                  jit_compile=jit_compile)
    return model


def fit(model, epochs=1):
    """4 steps an epoch, the last of which has fewer images. The loss of each epoch."""
    return model.fit(IMAGES[:11], LABELS[:11], batch_size=3, epochs=epochs, shuffle=False, verbose=0).history["loss"]


def test_each_call_draws_anew_and_a_seed_repeats():
    layer = RandomAffine(seed=5, **ARGUMENTS)
    for call in range(3):
        found = layer(IMAGES, training=True)
        assert found.dtype == tf.float32
        np.testing.assert_array_equal(found, by_function(call))
    np.testing.assert_array_equal(RandomAffine(seed=5, **ARGUMENTS)(IMAGES, training=True), by_function(0))
    assert layer.calls.numpy() == 3


def test_without_a_seed_keras_decides():
    keras.utils.set_random_seed(3)
    one, two = RandomAffine(), RandomAffine()
    keras.utils.set_random_seed(3)
    assert RandomAffine().seed == one.seed != two.seed


def test_it_is_active_in_training_only():
    layer = RandomAffine(seed=5, rescale=0.5, **ARGUMENTS)
    model = keras.Sequential([layer])
    for found in (layer(IMAGES), model(IMAGES), model.predict(IMAGES, verbose=0)):
        np.testing.assert_array_equal(found, IMAGES / np.float32(2))
    assert layer.calls.numpy() == 0


@pytest.mark.parametrize("functional", [False, True])
def test_a_model_trains_compiled_as_it_does_otherwise(functional):
    models = [compiled(network(functional=functional), jit) for jit in (True, False)]
    losses = [fit(model, 2) for model in models]
    assert models[0].jit_compile and models[0].layers[functional].calls.numpy() == 8
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert losses[0][0] != losses[0][1]


def test_saved_loaded_and_trained_on_it_is_the_model_that_never_stopped(tmp_path):
    model = compiled(network())
    fit(model)
    model.save(tmp_path / "model.keras")
    fit(model)
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.layers[0].get_config() == model.layers[0].get_config() and again.layers[0].calls.numpy() == 4
    fit(again)
    for one, two in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_saved_model_serves_without_the_augmentation(tmp_path):
    model = network()
    model.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "model")
    np.testing.assert_allclose(loaded.serve(IMAGES.astype(np.float32)), model.predict(IMAGES, verbose=0), atol=1e-6)


@pytest.mark.parametrize("layer", [
    RandomAffine(seed=1, name="one", dtype="mixed_bfloat16", **ARGUMENTS), RandomPadCrop(2, "zero", seed=2),
    Cutout(3, seed=3), MixUp(0.4, seed=4), CutMix(0.6, seed=5)])
def test_a_configuration_makes_the_same_layer(layer):
    again = type(layer).from_config(keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer.get_config())))
    assert again.get_config() == layer.get_config() and again.seed == layer.seed
    if isinstance(layer, RandomAffine):
        assert again.affine == layer.affine and set(dataclasses.asdict(layer.affine)) <= set(layer.get_config())


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_rounds_the_result_alone(policy):
    layer = RandomAffine(seed=5, dtype=policy, **ARGUMENTS)
    found = layer(IMAGES.astype(np.float32), training=True)
    assert found.dtype == keras.DTypePolicy(policy).compute_dtype
    np.testing.assert_array_equal(found, tf.cast(by_function(0, images=IMAGES.astype(np.float32)), found.dtype))
    keras.config.set_dtype_policy(policy)
    try:
        assert np.isfinite(fit(compiled(network()))).all()
    finally:
        keras.config.set_dtype_policy("float32")


def test_in_dataset_map():
    layer = RandomAffine(seed=5, **ARGUMENTS)
    data = tf.data.Dataset.from_tensor_slices(IMAGES).batch(4)
    batches = list(data.map(lambda x: layer(x, training=True)).as_numpy_iterator())
    assert len(batches) == 3 and layer.calls.numpy() == 3
    for i, batch in enumerate(batches):
        np.testing.assert_array_equal(batch, by_function(i, images=IMAGES[4 * i:4 * i + 4]))
    one = next(iter(data.unbatch().map(lambda x: layer(x, training=True))))
    np.testing.assert_array_equal(one, by_function(3, images=IMAGES[:1])[0])


def test_replicas_draw_as_one_device_does():
    # Strategies of one process number their collectives from one base, and would take each other's for their own.
    tf.distribute.MirroredStrategy._collective_key_base += 100_000
    strategy = tf.distribute.MirroredStrategy(["/CPU:0", "/CPU:1"],
                                              cross_device_ops=tf.distribute.ReductionToOneDevice())
    with strategy.scope():
        model = compiled(network(), jit_compile=False)
    alone = compiled(network(), jit_compile=False)
    for each in (model, alone):
        each.fit(IMAGES, LABELS, batch_size=4, epochs=2, shuffle=False, verbose=0)
    assert model.layers[0].calls.numpy() == 6
    for one, two in zip(model.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)


def test_the_others_are_their_functions():
    seed, ids = [5, 0], np.arange(12, dtype=np.int32)
    standardized = (IMAGES.astype(np.float32) - 120) / 60
    np.testing.assert_array_equal(RandomPadCrop(2, seed=5)(IMAGES, training=True), crops.pad_crop(IMAGES, seed, ids, 2))
    np.testing.assert_array_equal(Cutout(3, seed=5)(standardized, training=True),
                                  crops.cutout(standardized, seed, ids, 3))
    one_hot = np.eye(3, dtype=np.float32)[LABELS]
    for layer, function in ((MixUp(0.4, seed=5), mixing.mixup), (CutMix(0.4, seed=5), mixing.cutmix)):
        found = layer({"images": IMAGES, "labels": one_hot}, training=True)
        images, partners, weight = function(tf.cast(IMAGES, tf.float32), seed, ids, 0.4)
        np.testing.assert_allclose(found["images"], images, atol=1e-4)
        np.testing.assert_allclose(found["labels"], mixing.mixed_labels(LABELS, partners, weight, 3), atol=1e-6)
        plain = layer({"images": IMAGES, "labels": one_hot})
        np.testing.assert_array_equal(plain["images"], IMAGES)
        np.testing.assert_array_equal(plain["labels"], one_hot)


@pytest.mark.parametrize("arguments, named", [
    (dict(rotation_range=-1), "rotation_range=-1"), (dict(seed=0.5), "seed=0.5: must be an int or None")])
def test_what_is_refused_names_the_argument(arguments, named):
    with pytest.raises(ValueError, match=named):
        RandomAffine(**arguments)


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="RandomAffine: Keras's backend is jax, must be tensorflow"):
        RandomAffine()
