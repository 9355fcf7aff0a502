"""A network written for programs that know nothing of this library: TensorFlow's SavedModel, Keras's own, ONNX.

All take images as they are stored, of the training images' size, and give float32 [N, classes], the probability of each
class; all compute in float32.
"""
import importlib.util

import keras
import tensorflow as tf

from cifar_fast.errors import UserError
from cifar_fast.network import plain

NAMES = {"saved_model": "saved_model", "keras": "model.keras", "onnx": "model.onnx"}  # what each is called in a run


class Classifier(tf.Module):
    """Images uint8 [N, H, W, C] → probabilities, to be saved. Computed by our own layers.

    Attributes:
      class_names: a variable, string [classes].
    """

    def __init__(self, model, statistics, class_names):
        """model: a built `ResNet`. statistics: the `batch.Statistics` that standardize its images."""
        super().__init__()
        self.class_names = tf.Variable(class_names, trainable=False)
        self.weights = [v.value for v in model.variables]
        self.logits = lambda images: model(statistics(images))  # hides the model: what it is in Python isn't saved

    @tf.function(autograph=False)
    def __call__(self, images):
        return tf.nn.softmax(self.logits(images))


def check(name):
    """Raises UserError where a format, a key of `NAMES`, can't be written here."""
    if name == "onnx" and not importlib.util.find_spec("tf2onnx"):
        raise UserError("--format=onnx: Keras writes it by tf2onnx, which is not installed; "
                        "pip install 'cifar_fast[onnx]'")


def write(name, path, model, signature):
    """Writes a built `ResNet` and its `Signature`, in a format of `NAMES`, to a path (str) where nothing is."""
    statistics, shape = signature.statistics, signature.image_shape
    if name == "saved_model":
        classifier = Classifier(model, statistics, signature.class_names)
        images = tf.TensorSpec([None, *shape], tf.uint8, "images")
        tf.saved_model.save(classifier, path, classifier.__call__.get_concrete_function(images))
    elif name == "keras":
        plain.functional(model, statistics, shape).save(path)
    else:
        images = keras.layers.InputSpec("float32", (None, *shape), name="images")
        plain.functional(model, statistics, shape).export(path, "onnx", False, [images])
