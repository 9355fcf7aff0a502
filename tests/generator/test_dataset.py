"""`.dataset()`: an iterator's batches from tf.data, alone, in `fit` and distributed."""
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image

from cifar_fast.generator import ImageDataGenerator

X = np.random.default_rng(0).integers(0, 256, (22, 8, 8, 3), dtype=np.uint8)
Y = np.arange(22) % 3


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("images")
    for i, image in enumerate(X):
        Image.fromarray(image).save(path / f"{i}.png")
    return pd.DataFrame({"filename": [str(path / f"{i}.png") for i in range(22)], "class": [f"c{y}" for y in Y],
                         "size": np.linspace(0, 1, 22), "weight": np.linspace(1, 2, 22)})


def flows(table):
    """Iterators of every form of batch, by what makes them."""
    generator = ImageDataGenerator(rotation_range=20, horizontal_flip=True)
    of_table = dict(target_size=(8, 8), batch_size=4, seed=1)
    return {
        "images": lambda: generator.flow(X, batch_size=4, seed=1),
        "pairs": lambda: generator.flow(X, Y, batch_size=4, seed=1),
        "weights and others": lambda: generator.flow((X, [Y, Y]), Y, sample_weight=Y * 2.0, batch_size=4, seed=1),
        "table": lambda: generator.flow_from_dataframe(table, weight_col="weight", **of_table),
        "outputs": lambda: generator.flow_from_dataframe(table, y_col=["size", "weight"], class_mode="multi_output",
                                                         **of_table)}


def test_batches_are_those_of_next(table):
    for name, make in flows(table).items():
        data, iterator = make().dataset(), make()
        assert data.cardinality() == len(iterator) == 6
        for _ in range(2):
            for batch in data:
                expected = next(iterator)
                assert type(batch) is (tuple if isinstance(expected, tuple) else type(batch)), name
                tf.nest.map_structure(np.testing.assert_array_equal, tf.nest.flatten(batch), tf.nest.flatten(expected))
        assert iterator.batch_index == 0


def model():
    network = keras.Sequential([keras.layers.Input((8, 8, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten(),
                                keras.layers.Dense(3)])
    network.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return network


def test_fit_takes_it():
    history = model().fit(ImageDataGenerator().flow(X, Y, batch_size=4, seed=1).dataset(), epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2


def test_a_strategy_distributes_it_and_the_iterators_train_under_one():
    # Strategies of one process number their collectives from one base, and would take each other's for their own.
    tf.distribute.MirroredStrategy._collective_key_base += 100_000
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    iterator = ImageDataGenerator(rotation_range=20).flow(X, Y, batch_size=4, seed=1)
    seen = []
    for images, labels in strategy.experimental_distribute_dataset(iterator.dataset()):
        parts = strategy.experimental_local_results(labels)
        assert [part.shape[1:] for part in strategy.experimental_local_results(images)] == [(8, 8, 3)] * 2
        assert len(parts) == 2
        seen += [label for part in parts for label in part.numpy()]
    assert sorted(seen) == sorted(Y)
    with strategy.scope():
        network = model()
    assert len(network.fit(iterator, epochs=2, verbose=0).history["loss"]) == 2
