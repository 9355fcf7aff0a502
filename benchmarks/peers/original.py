"""The original way: ImageDataGenerator, one image at a time through SciPy, and `fit` (Adam, batch 32)."""
import keras
import tensorflow as tf

from benchmarks.peers.network import StepClock, build
from benchmarks.support.turns import serve
from cifar_fast.data import sources


def make(settings):
    """settings: dataset, data_dir (optional), batch_size."""
    data = sources.load(settings["dataset"], settings.get("data_dir"))
    images = data.train_images.astype("float32")
    images = (images - images.mean()) / images.std()
    labels = keras.utils.to_categorical(data.train_labels)
    generator = tf.keras.preprocessing.image.ImageDataGenerator(
        rotation_range=30, width_shift_range=0.1, height_shift_range=0.1, horizontal_flip=True, vertical_flip=True)
    model = build(labels.shape[1])
    model.compile(keras.optimizers.Adam(1e-3), "categorical_crossentropy",
                  metrics=["accuracy", "top_k_categorical_accuracy"])
    batches = generator.flow(images, labels, batch_size=settings["batch_size"])

    def steps(count):
        clock = StepClock()
        model.fit(batches, steps_per_epoch=count, epochs=1, verbose=0, callbacks=[clock])
        return count * settings["batch_size"], clock.seconds(count)

    steps(2)
    return {"settings": {"precision": "float32"}}, steps


if __name__ == "__main__":
    serve(make)
