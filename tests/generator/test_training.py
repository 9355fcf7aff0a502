"""`fit`, `evaluate` and `predict` with our iterators, under every backend of Keras; and memory that stays bounded."""
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
TRAIN = """
import sys
import keras, numpy as np
from cifar_fast.generator import ImageDataGenerator
assert keras.backend.backend() == sys.argv[2]
generator = ImageDataGenerator(rotation_range=20, horizontal_flip=True, rescale=1 / 255, validation_split=0.25)
options = dict(directory=sys.argv[1], target_size=(8, 8), batch_size=5, class_mode="sparse", seed=1)
x, y = np.random.default_rng(0).integers(0, 256, (22, 8, 8, 3), dtype=np.uint8), np.arange(22) % 2
model = keras.Sequential([keras.layers.Input((8, 8, 3)), keras.layers.Flatten(),
                          keras.layers.Dense(2, activation="softmax")])
model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
for training, validation in (
        [generator.flow(x, y, batch_size=5, seed=1, subset=subset) for subset in ("training", "validation")],
        [generator.flow_from_directory(**options, subset=subset) for subset in ("training", "validation")]):
    history = model.fit(training, epochs=2, validation_data=validation, class_weight={0: 1.0, 1: 2.0}, verbose=0)
    assert np.isfinite(history.history["loss"] + history.history["val_loss"]).all()
    assert len(history.history["val_accuracy"]) == 2
    training.workers = 2
    assert np.isfinite(model.evaluate(training, verbose=0)).all()
    assert model.predict(validation, verbose=0).shape == (validation.n, 2)
print("trained")
"""
MEMORY = """
import sys
from pathlib import Path
from cifar_fast.generator import ImageDataGenerator
generator = ImageDataGenerator(rotation_range=20, horizontal_flip=True)
for share in (0, 0, 0.9):  # the first epoch is for what the libraries take once
    flow = generator.flow_from_directory(sys.argv[1], target_size=(224, 224), batch_size=16, memory_share=share)
    peak = 0
    for _ in range(len(flow)):
        next(flow)
        peak = max(peak, int(Path("/proc/self/statm").read_text().split()[1]))
    print("pages", peak)
"""


def run(program, *arguments, **environment):
    done = subprocess.run([sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])} | environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("classes")
    for name in "ab":
        (path / name).mkdir()
        for i in range(11):
            Image.fromarray(np.full((9, 10, 3), 10 * i, np.uint8)).save(path / name / f"{i}.png")
    return path


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_fit_evaluate_and_predict(folder, backend):
    if not importlib.util.find_spec(backend):
        pytest.skip(f"{backend} is not installed")
    assert "trained" in run(TRAIN, folder, backend, KERAS_BACKEND=backend)


def test_images_that_are_not_kept_take_the_memory_of_a_batch(tmp_path):
    """250 images of 224×224 are 36 MiB when decoded."""
    (tmp_path / "a").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.bmp")
    for i in range(250):
        os.link(tmp_path / "image.bmp", tmp_path / "a" / f"{i}.bmp")
    lines = run(MEMORY, tmp_path).splitlines()
    first, anew, kept = (int(line.split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20 for line in lines if "pages" in line)
    assert anew - first < 15 and kept - anew > 25  # MiB
