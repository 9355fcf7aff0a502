"""A run in TensorBoard: its scalars, pictures, hyperparameters and graph in one file of events, and profiles.

A run that goes on may repeat steps that were written after its last checkpoint. So it begins another file, with those
points of the one before that the checkpoint has, and removes that one: each point stands there once.

    train/…, test/…    by epoch, from 1        call/…    by step of the run, for each call of the program
"""
import importlib.util
import os
import time
from pathlib import Path

import tensorflow as tf

from cifar_fast.errors import UserError
from cifar_fast.system import files

ONCE = "confusion matrix"  # written when a run ends, and again if it is ended again
EPOCH = {"loss": "train/loss", "accuracy": "train/accuracy", "top5": "train/top5", "test_loss": "test/loss",
         "test_accuracy": "test/accuracy", "test_top5": "test/top5", "seconds": "train/seconds"}


def check(config):
    """Raises UserError where `config` asks for TensorBoard, and it is not installed."""
    if config.tensorboard and not importlib.util.find_spec("tensorboard"):
        raise UserError("--tensorboard: TensorBoard is not installed; pip install 'cifar_fast[tensorboard]'")


class Board:
    """Writes the events of a run to a folder. epochs, steps: how many its checkpoint has done."""

    def __init__(self, folder, epochs, steps):
        folder = Path(folder)
        folder.mkdir(exist_ok=True)
        before = sorted(folder.glob("*tfevents*"))
        kept = {}
        for event in _events(before):
            for tag, point in _tagged(event):
                limit = steps if tag.startswith("call/") else epochs
                if point.step <= limit and tag != ONCE:
                    kept[tag, point.step] = point
        self.tags = {tag for tag, _ in kept}
        aside = folder / f"{files.TEMPORARY}events"
        with files.writing(folder):
            self.writer = tf.io.TFRecordWriter(str(aside))
            self._write(tf.compat.v1.Event(file_version="brain.Event:2"))
            # A TensorBoard that has read the file before drops what it has.
            self._write(tf.compat.v1.Event(session_log=tf.compat.v1.SessionLog(status=1)))
            for point in kept.values():
                self.writer.write(point.SerializeToString())
            self.writer.flush()
            aside.rename(folder / f"events.out.tfevents.{time.time():.6f}.{os.getpid()}")
            for path in before:
                path.unlink()

    def scalars(self, values, step):
        """values: {tag: number}."""
        value = tf.compat.v1.Summary.Value
        self._add([value(tag=tag, simple_value=number) for tag, number in values.items()], step)

    def epoch(self, line):
        """The numbers of an epoch's line."""
        self.scalars({tag: line[name] for name, tag in EPOCH.items() if name in line}, line["epoch"])

    def picture(self, tag, path, step):
        """A PNG file, if it was drawn."""
        if tag not in self.tags and path.exists():
            image = tf.compat.v1.Summary.Image(encoded_image_string=path.read_bytes())
            self._add([tf.compat.v1.Summary.Value(tag=tag, image=image)], step)

    def begin(self, config, model, shape):
        """Hyperparameters, those of a `Config`, and the graph of the network for images of a shape (H, W, C)."""
        from tensorboard.plugins.hparams import api
        if "graph" not in self.tags:
            images = tf.TensorSpec([None, *shape], tf.float32, "images")
            graph = tf.function(lambda images: model(images), autograph=False).get_concrete_function(images).graph
            self._write(tf.compat.v1.Event(graph_def=graph.as_graph_def().SerializeToString()))
        if "_hparams_/session_start_info" not in self.tags:
            values = dict(line.removeprefix("--").split("=", 1) for line in config.flag_lines(without=("workdir",)))
            summary = tf.compat.v1.Summary.FromString(api.hparams_pb(values).SerializeToString())
            self._add(summary.value, 0)

    def close(self):
        self.writer.close()

    def _add(self, values, step):
        self._write(tf.compat.v1.Event(step=step, summary=tf.compat.v1.Summary(value=values)))
        self.writer.flush()

    def _write(self, event):
        event.wall_time = time.time()
        self.writer.write(event.SerializeToString())


class Profile:
    """A trace of the program between two steps of the run, "100:120", for TensorBoard's profiler."""

    def __init__(self, folder, steps):
        self.folder, self.running = str(folder), False
        self.first, self.last = map(int, steps.split(":"))

    def limit(self, done, steps):
        """So many steps, or fewer, so that a call of the program ends where the trace begins and ends."""
        return min([steps, *(place - done for place in (self.first, self.last) if place > done)])

    def at(self, done):
        """Begins or ends the trace. done: the run's steps so far."""
        if self.first <= done < self.last and not self.running:
            tf.profiler.experimental.start(self.folder)
            self.running = True
        elif self.running and done >= self.last:
            self.stop()

    def stop(self):
        if self.running:
            tf.profiler.experimental.stop()
            self.running = False


def _events(paths):
    """The events of files, up to where a killed run has torn one."""
    for path in paths:
        try:
            for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
                yield tf.compat.v1.Event.FromString(record)
        except tf.errors.DataLossError:
            continue


def _tagged(event):
    """An event's points, each with its tag: (tag, event of that point alone)."""
    if event.graph_def:
        yield "graph", event
    for value in event.summary.value:
        yield value.tag, tf.compat.v1.Event(wall_time=event.wall_time, step=event.step,
                                            summary=tf.compat.v1.Summary(value=[value]))
