"""Today's Keras way: tf.data, preprocessing layers on batches, and `fit`."""
import keras
import tensorflow as tf

from benchmarks.peers.network import StepClock, build
from benchmarks.support.turns import serve
from cifar_fast.data import sources


def make(settings):
    """settings: dataset, data_dir (optional), batch_size, policy (a Keras dtype policy's name, or "mixed")."""
    policy = _mixed() if settings["policy"] == "mixed" else settings["policy"]
    keras.mixed_precision.set_global_policy(policy)
    data = sources.load(settings["dataset"], settings.get("data_dir"))
    images, size = data.train_images, settings["batch_size"]
    mean, deviation = float(images.mean()), float(images.std())
    augmentation = keras.Sequential([
        keras.layers.RandomFlip(dtype="float32"),
        keras.layers.RandomRotation(30 / 360, fill_mode="nearest", dtype="float32"),
        keras.layers.RandomTranslation(0.1, 0.1, fill_mode="nearest", dtype="float32")])
    batches = (tf.data.Dataset.from_tensor_slices((images, data.train_labels)).shuffle(len(images)).repeat()
               .batch(size, drop_remainder=True)
               .map(lambda x, y: ((augmentation(tf.cast(x, tf.float32), training=True) - mean) / deviation, y),
                    num_parallel_calls=tf.data.AUTOTUNE)
               .prefetch(tf.data.AUTOTUNE))
    model = build(len(data.class_names))
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy",
                  metrics=["accuracy", "sparse_top_k_categorical_accuracy"])

    def steps(count):
        clock = StepClock()
        model.fit(batches, steps_per_epoch=count, epochs=1, verbose=0, callbacks=[clock])
        return count * size, clock.seconds(count)

    steps(2)
    return {"settings": {"policy": policy}}, steps


def _mixed():
    """The policy of two bytes that the device computes in: GPUs before compute capability 8 have no bfloat16."""
    for gpu in tf.config.list_physical_devices("GPU")[:1]:
        if tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0)) < (8, 0):
            return "mixed_float16"
    return "mixed_bfloat16"


if __name__ == "__main__":
    serve(make)
