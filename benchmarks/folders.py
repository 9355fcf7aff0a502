"""Folders of image files read, images a second: cifar_fast the first time and from its cache, and Keras.

    python -m benchmarks.folders --pngs=60000 --jpegs=20000 --out=folders.json

Class folders of PNGs of 32×32, and of JPEGs of 256×256 that become 64×64, which image_dataset_from_directory reads too,
in batches. Keras resizes by bilinear interpolation without antialiasing and gives float32; ours is antialiased uint8,
held in memory and written to the cache file. All read the files from the system's cache: each had a turn before.
"""
import contextlib
import tempfile
from pathlib import Path

from absl import app, flags

from cifar_fast import environment

environment.prepare()

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from PIL import Image  # noqa: E402

from benchmarks.support import harness  # noqa: E402
from cifar_fast.data import sources  # noqa: E402
from cifar_fast.data.labelled.cache import Form  # noqa: E402
from cifar_fast.data.labelled.images import Reading  # noqa: E402

CLASSES, SMALL, LARGE, TAKEN = 10, 32, 256, 64
MADE = ".made"  # a file beside the class folders, when all is there


def define_flags():
    flags.DEFINE_integer("pngs", 60_000, "PNG files of 32×32; 0: leave them out", lower_bound=0)
    flags.DEFINE_integer("jpegs", 20_000, "JPEG files of 256×256; 0: leave them out", lower_bound=0)
    flags.DEFINE_integer("repeats", 3, "turns that each contestant takes", lower_bound=1)
    flags.DEFINE_string("folder", None, "where the files are made, kept and found again (default: aside, and "
                        "deleted)")
    flags.DEFINE_string("out", None, "JSON file to write the record to")
    flags.DEFINE_string("picture", None, "PNG file to draw the bars to")


def made(folder, count, side, ending):
    """Class folders of `count` images: colours that change slowly, as in photographs, and some noise."""
    if (folder / MADE).exists():
        return folder
    for number in range(count):
        rng = np.random.default_rng(number)
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8)).resize((side, side), Image.BICUBIC)
        pixels = np.clip(np.asarray(coarse) + rng.normal(0, 6, (side, side, 3)), 0, 255).astype(np.uint8)
        path = folder / f"class{number % CLASSES}" / f"{number:06}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    (folder / MADE).touch()
    return folder


class Reader:
    """Reads a folder as `--dataset=images` does. peak: MiB beyond what the process had, the most of all turns."""

    def __init__(self, folder, count, size=None):
        self.folder, self.count, self.form, self.peak = folder, count, Form(size), 0
        self.caches = tempfile.TemporaryDirectory(dir=folder.parent)  # to delete them takes time, too

    def first(self):
        """Into a new cache."""
        return self._read(tempfile.mkdtemp(dir=self.caches.name))

    def again(self):
        """From the cache, which the first turn makes."""
        return self._read(f"{self.folder}-cache")

    def _read(self, cache):
        Path("/proc/self/clear_refs").write_text("5")  # the largest memory is counted anew
        before = _mib("VmRSS")
        data = sources.load("images", self.folder, reading=Reading(form=self.form, cache=str(cache)), tested=False)
        self.peak = max(self.peak, _mib("VmHWM") - before)
        if len(data.train_images) != self.count:
            raise RuntimeError(f"{len(data.train_images)} images of {self.count}")
        return self.count


def _mib(name):
    return int(Path("/proc/self/status").read_text().split(f"{name}:")[1].split()[0]) / 1024


def keras(folder):
    """One pass over image_dataset_from_directory, made anew, as a script begins."""
    def work():
        dataset = tf.keras.utils.image_dataset_from_directory(
            folder, image_size=(TAKEN, TAKEN), batch_size=32, shuffle=False, verbose=False)
        return sum(len(labels) for _, labels in dataset.prefetch(tf.data.AUTOTUNE))
    return work


def compare(folder, count, side, ending, size, repeats):
    """One interleaved run. Returns (results, ratios), the entries of a record."""
    settings = {"files": count, "format": ending, "side": side}
    reader = Reader(made(folder / f"{count}-{ending}", count, side, ending), count, size)
    contestants = {"cifar_fast, first time": reader.first, "cifar_fast, from its cache": reader.again}
    if size:
        contestants["image_dataset_from_directory"] = keras(reader.folder)
    rates = harness.interleave(contestants, repeats)
    results = [harness.result(name, rates[name], settings, seconds={
        key: count / value for key, value in harness.summary(rates[name]).items()}) for name in rates]
    results[0]["peak_mib"] = round(reader.peak)
    peers = list(contestants)[2:]
    return results, [harness.ratio(name, peer, rates, settings) for peer in peers for name in list(contestants)[:2]]


def main(_):
    values, results, ratios = flags.FLAGS, [], []
    with contextlib.nullcontext(values.folder) if values.folder else tempfile.TemporaryDirectory() as place:
        for count, side, ending, size in ((values.pngs, SMALL, "png", None),
                                          (values.jpegs, LARGE, "jpg", (TAKEN, TAKEN))):
            if count:
                more, of_more = compare(Path(place), count, side, ending, size, values.repeats)
                print(harness.table(more, of_more), flush=True)
                for entry in more:
                    print(f"{entry['name']}: {entry['seconds']['median']:.1f} s" + (
                        f", at most {entry['peak_mib']:,} MiB" if "peak_mib" in entry else ""), flush=True)
                print()
                results += more
                ratios += of_more
    if values.out:
        harness.write(values.out, "folders", results, ratios)
    if values.picture:
        harness.bar_chart(values.picture, results, "Folders of image files", log=True)


if __name__ == "__main__":
    define_flags()
    app.run(main)
