"""Little training scripts of the last ten years, each run as it stands with Keras's import, and with ours in its place.

With Keras's draws added the two learn the same to the last digits that matter.
"""
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image

THEIRS = "from tensorflow.keras.preprocessing.image import ImageDataGenerator"
OURS = "from cifar_fast import ImageDataGenerator"

ARRAYS = """
import numpy as np
from tensorflow.keras import layers, models, utils
from tensorflow.keras.preprocessing.image import ImageDataGenerator

x_train, y_train, x_test, y_test = x[:12], utils.to_categorical(y[:12], 2), x[12:], utils.to_categorical(y[12:], 2)
datagen = ImageDataGenerator(
    featurewise_center=False, samplewise_center=False, featurewise_std_normalization=False,
    samplewise_std_normalization=False, zca_whitening=False, rotation_range=15, width_shift_range=0.1,
    height_shift_range=0.1, horizontal_flip=True, vertical_flip=False)
datagen.fit(x_train)
model = models.Sequential([layers.Input((12, 12, 3)), layers.Rescaling(1 / 255), layers.Flatten(),
                           layers.Dense(2, activation="softmax")])
model.compile(loss="categorical_crossentropy", optimizer="sgd", metrics=["accuracy"])
history = model.fit(datagen.flow(x_train, y_train, batch_size=4, seed=1), steps_per_epoch=len(x_train) // 4, epochs=1,
                    validation_data=(x_test, y_test), verbose=0)
result = history.history["loss"] + history.history["val_loss"]
"""

DIRECTORIES = """
from tensorflow import keras
from tensorflow.keras.preprocessing.image import ImageDataGenerator

train_datagen = ImageDataGenerator(rescale=1. / 255, shear_range=0.2, zoom_range=0.2, horizontal_flip=True,
                                   validation_split=0.25)
train_generator = train_datagen.flow_from_directory(
    folder, target_size=(10, 10), batch_size=4, class_mode='binary', subset='training', seed=42)
validation_generator = train_datagen.flow_from_directory(
    folder, target_size=(10, 10), batch_size=4, class_mode='binary', subset='validation', shuffle=False)
model = keras.Sequential([keras.layers.Input((10, 10, 3)), keras.layers.Conv2D(4, 3, activation='relu'),
                          keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, activation='sigmoid')])
model.compile(optimizer=keras.optimizers.SGD(0.1), loss='binary_crossentropy', metrics=['accuracy'])
history = model.fit(
    train_generator, steps_per_epoch=train_generator.samples // train_generator.batch_size,
    validation_data=validation_generator, validation_steps=validation_generator.samples // 4, epochs=1, verbose=0)
validation_generator.reset()
probabilities = model.predict(validation_generator, verbose=0)
labels = {number: name for name, number in train_generator.class_indices.items()}
predicted = [labels[int(p > 0.5)] for p in probabilities[:, 0]]
assert len(predicted) == len(validation_generator.filenames) == len(validation_generator.classes)
result = history.history['loss'] + list(probabilities.ravel())
"""

TABLES = """
import pandas as pd
from tensorflow import keras
from tensorflow.keras.preprocessing.image import ImageDataGenerator

df = pd.read_csv(table, dtype={"filename": str})
datagen = ImageDataGenerator(rescale=1./255, validation_split=0.25, rotation_range=10)
options = dict(dataframe=df, directory=folder, x_col="filename", y_col=["age", "height"], class_mode="raw",
               target_size=(10, 10), batch_size=4, seed=7)
train = datagen.flow_from_dataframe(subset="training", **options)
valid = datagen.flow_from_dataframe(subset="validation", **options)
model = keras.Sequential([keras.layers.Input((10, 10, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
model.compile("sgd", "mse")
STEP_SIZE_TRAIN, STEP_SIZE_VALID = train.n // train.batch_size, valid.n // valid.batch_size
history = model.fit(train, steps_per_epoch=STEP_SIZE_TRAIN, validation_data=valid, validation_steps=STEP_SIZE_VALID,
                    epochs=1, verbose=0)
result = history.history["loss"] + [model.evaluate(valid, verbose=0)]
"""

MASKS = """
import numpy as np
from tensorflow import keras
from tensorflow.keras.preprocessing.image import ImageDataGenerator

data_gen_args = dict(rotation_range=90, width_shift_range=0.1, height_shift_range=0.1, zoom_range=0.2)
image_datagen, mask_datagen = ImageDataGenerator(**data_gen_args), ImageDataGenerator(**data_gen_args)
seed = 1
masks = (x[..., :1] > 127).astype("float32")
image_datagen.fit(x, augment=True, seed=seed)
mask_datagen.fit(masks, augment=True, seed=seed)
image_generator = image_datagen.flow(x, seed=seed, batch_size=4)
mask_generator = mask_datagen.flow(masks, seed=seed, batch_size=4)

def pairs():
    while True:
        yield next(image_generator) / 255, next(mask_generator)

model = keras.Sequential([keras.layers.Input((12, 12, 3)), keras.layers.Conv2D(1, 3, padding="same")])
model.compile("sgd", "mse")
history = model.fit(pairs(), steps_per_epoch=2, epochs=1, verbose=0)
result = history.history["loss"]
"""

STATISTICS = """
import numpy as np
from tensorflow import keras
from tensorflow.keras.preprocessing.image import ImageDataGenerator

result = []
for arguments in (dict(featurewise_center=True, featurewise_std_normalization=True, rotation_range=20),
                  dict(zca_whitening=True, zca_epsilon=0.1)):
    datagen = ImageDataGenerator(**arguments)
    small = x.astype("float32")[:, 4:8, 4:8, :1] / 255
    datagen.fit(small)
    for batches, (batch_x, batch_y) in enumerate(datagen.flow(small, y, batch_size=4, seed=3)):
        result += [batch_x.mean(), batch_x.std(), float(batch_y.sum())]
        if batches >= len(x) / 4:
            break
    test = datagen.standardize(np.copy(small[:3]))
    result.append(test.std())
"""

APPLICATIONS = """
from tensorflow import keras
from tensorflow.keras.applications.resnet50 import preprocess_input
from tensorflow.keras.preprocessing.image import ImageDataGenerator

train = ImageDataGenerator(preprocessing_function=preprocess_input, horizontal_flip=True).flow_from_directory(
    folder, target_size=(10, 10), batch_size=4, class_mode="categorical", seed=5)
base = keras.Sequential([keras.layers.Input((10, 10, 3)), keras.layers.Conv2D(4, 3), keras.layers.Flatten()])
base.trainable = False
model = keras.Sequential([base, keras.layers.Dense(train.num_classes, activation="softmax")])
model.compile(keras.optimizers.SGD(1e-4), "categorical_crossentropy", metrics=["accuracy"])
history = model.fit(train, epochs=1, callbacks=[keras.callbacks.ReduceLROnPlateau(monitor="loss")], verbose=0)
result = history.history["loss"] + [model.evaluate(train, verbose=0)[0]]
"""
SCRIPTS = {"arrays": ARRAYS, "directories": DIRECTORIES, "tables": TABLES, "masks": MASKS, "statistics": STATISTICS,
           "applications": APPLICATIONS}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """What a script finds: images and labels, a folder of classes and a table."""
    path, random = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    x, y = random.integers(0, 256, (16, 12, 12, 3), dtype=np.uint8), np.arange(16) % 2
    names = []
    for image, label in zip(x, y, strict=True):
        name = f"{'dogs' if label else 'cats'}/{len(names)}.png"
        (path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path / name)
        names.append(name)
    table = pd.DataFrame({"filename": names, "age": random.random(16), "height": random.random(16)})
    table.to_csv(path / "table.csv", index=False)
    return {"x": x, "y": y, "folder": str(path), "table": str(path / "table.csv")}


@pytest.fixture(autouse=True)
def eager():
    """To compile such models takes far longer than to train them."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def run(script, data):
    keras.utils.set_random_seed(1)
    names = dict(data)
    exec(compile(script, "script", "exec"), names)
    return np.array(names["result"], float)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_with_its_import_changed(name, data):
    script = SCRIPTS[name]
    assert script.count(THEIRS) == 1
    expected = run(script, data)
    result = run(script.replace(THEIRS, OURS), data)
    assert result.shape == expected.shape and np.isfinite(result).all()
    same = script.replace(THEIRS, "import functools, cifar_fast\nImageDataGenerator = functools.partial("
                                  "cifar_fast.ImageDataGenerator, draws='keras')")
    np.testing.assert_allclose(run(same, data), expected, rtol=1e-3)
