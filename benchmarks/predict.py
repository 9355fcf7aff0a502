"""How fast predictions for images without labels are, beside the evaluation of the same images.

    python -m benchmarks.predict --out=predict.json

A network is trained for a step, then evaluated on --images test images and asked for predictions of them, as an .npz
and as PNG files in a folder, in turns. Each is all that the command does after its start: reading the checkpoint and
the images, building the program, computing, and writing what comes out. The ratios are over the evaluation.
"""
import contextlib
import io
import tempfile
from pathlib import Path

from absl import app, flags

from benchmarks.support import harness
from cifar_fast import environment

environment.prepare()

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from cifar_fast.config import Config  # noqa: E402
from cifar_fast.runs import predict, saved, train  # noqa: E402
from cifar_fast.training import trainer  # noqa: E402

FLAGS = flags.FLAGS
flags.DEFINE_string("dataset", "synthetic", "cifar10, cifar100 or synthetic")
flags.DEFINE_string("data_dir", None, "as for cifar_fast train; not needed for synthetic")
flags.DEFINE_integer("images", 10_000, "how many", lower_bound=1)
flags.DEFINE_integer("units", 12, "of the network", lower_bound=3)
flags.DEFINE_integer("filters", 32, "of its first third", lower_bound=1)
flags.DEFINE_string("precision", "auto", "auto, float32, bfloat16 or float16")
flags.DEFINE_integer("repeats", 5, "turns of each", lower_bound=1)
flags.DEFINE_string("out", None, "write the record (JSON) here")
flags.DEFINE_string("picture", None, "write a bar chart (PNG) here")


def main(_):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        config = Config(dataset=FLAGS.dataset, data_dir=FLAGS.data_dir, units=FLAGS.units, filters=FLAGS.filters,
                        precision=FLAGS.precision, epochs=1, train_examples=32, test_examples=FLAGS.images,
                        workdir=str(folder / "run"))
        with contextlib.redirect_stdout(io.StringIO()):
            train.run(config)
        images = trainer.load_data(config).test_images
        np.savez(folder / "images.npz", x=images)
        (folder / "png").mkdir()
        for number, image in enumerate(images):
            Image.fromarray(image).save(folder / "png" / f"{number:06}.png")

        def evaluated():
            return saved.evaluate(config)["examples"]

        def predicted(source):
            return predict.predict(config, folder / source, folder / "predictions.csv")[0]

        rates = harness.interleave({"evaluate": evaluated, "cifar_fast predict, .npz": lambda: predicted("images.npz"),
                                    "cifar_fast predict, PNG": lambda: predicted("png")}, FLAGS.repeats)
    settings = {"images": FLAGS.images, "units": FLAGS.units, "filters": FLAGS.filters}
    results = [harness.result(name, r, settings) for name, r in rates.items()]
    ratios = [harness.ratio(name, "evaluate", rates) for name in rates if name != "evaluate"]
    print(harness.table(results, ratios))
    if FLAGS.out:
        harness.write(FLAGS.out, "predict", results, ratios)
    if FLAGS.picture:
        harness.bar_chart(FLAGS.picture, results, "Predictions beside the evaluation")


if __name__ == "__main__":
    app.run(main)
