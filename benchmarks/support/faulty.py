"""What goes wrong inside a training process: a file layer that fails or dies at a chosen call, and planted numbers.

Each function here changes the process it is called in, before the training starts; `children` calls it in
a child that does nothing else.
"""
import builtins
import fcntl
import io
import os
import re
import signal
import time
from pathlib import Path

import tensorflow as tf

from cifar_fast.runs.directory import checkpoint
from cifar_fast.training import step, trainer

WRITING = {"x", "w", "a", "+"}


def report_saved(log):
    """Appends the name of each checkpoint to the file `log` once `checkpoint.save` has returned."""
    handle, save = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), checkpoint.save

    def reporting(folder, number, *rest, **more):
        save(folder, number, *rest, **more)
        os.write(handle, f"{number}\n".encode())
    checkpoint.save = reporting


def watch_files(folder, act):
    """Calls `act(call, name, half)` before each call that changes something below `folder`: open, write, fsync,
    replace, unlink, mkdir or ftruncate. `name` is the file's, without what differs between runs; `half()` writes the
    first half of what is being written, and does nothing in the other calls. `act` may raise or kill."""
    folder, real = str(Path(folder).resolve()), {n: getattr(os, n) for n in (
        "open", "write", "fsync", "replace", "unlink", "mkdir", "ftruncate")}
    real_open = builtins.open

    def seen(call, target, half=lambda: None):
        path = os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else os.path.realpath(target)
        if path == folder or path.startswith(f"{folder}/"):
            name = os.path.relpath(path, folder)
            act(call, re.sub(r"\.tmp-[0-9a-f]+-|(?<=step-)\d+", "", name), half)

    class File(io.FileIO):
        def write(self, data):
            seen("write", self.fileno(), lambda: io.FileIO.write(self, data[:len(data) // 2]))
            return super().write(data)

    def wrapped(name):
        def call(target, *rest, **more):
            half = (lambda: real["write"](target, rest[0][:len(rest[0]) // 2])) if name == "write" else (lambda: None)
            seen(name, target, half)
            return real[name](target, *rest, **more)
        return call

    def opening(path, mode="r", *rest, **more):
        if isinstance(path, int) or not WRITING & set(mode) or not os.path.realpath(path).startswith(f"{folder}/"):
            return real_open(path, mode, *rest, **more)
        seen("open", path)
        return File(path, mode)

    for name in real:
        setattr(os, name, wrapped(name))
    builtins.open = opening


def record_calls(folder, log):
    """Writes each call's "call name" to the file `log`, a line each."""
    handle, write = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), os.write
    watch_files(folder, lambda call, name, half: write(handle, f"{call} {name}\n".encode()))


def kill_at(folder, number):
    """SIGKILL at the file call of that number (from 1), a write half done."""
    left = iter(range(number - 1, -1, -1))

    def act(call, name, half):
        if next(left) == 0:
            half()
            os.kill(os.getpid(), signal.SIGKILL)
    watch_files(folder, act)


def slow_files(folder, seconds):
    """Each file call takes `seconds` longer, so that most of the time is spent writing."""
    watch_files(folder, lambda call, name, half: time.sleep(seconds))


def fail_from(folder, call, name, nth, error):
    """That call on that file fails with an errno from the `nth`-th on, as it does on a full or broken disk."""
    seen = 0

    def act(this, of, half):
        nonlocal seen
        if (this, of) == (call, name):
            seen += 1
            if seen >= nth:
                half()
                raise OSError(error, os.strerror(error), name)
    watch_files(folder, act)


def lack(call, error):
    """A file system that has no locks ("flock"), or no syncing of folders ("fsync"): it fails with an errno."""
    def flock(*_):
        raise OSError(error, os.strerror(error))

    def fsync(handle, real=os.fsync):
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(error, os.strerror(error))
        real(handle)
    if call == "flock":
        fcntl.flock = flock
    else:
        os.fsync = fsync


def terminate_after(number):
    """SIGTERM once training step `number` (from 0) is done."""
    after_step(number, lambda ours: os.kill(os.getpid(), signal.SIGTERM))


def after_step(number, act):
    """Calls `act(trainer)` once training step `number` (from 0) is done; to be used with --steps_per_call=1."""
    train = trainer.Trainer.train

    def training(self, batches, epoch, start, steps, totals):
        result = train(self, batches, epoch, start, steps, totals)
        if self.plan[epoch].first_step + start == number:
            act(self)
        return result
    trainer.Trainer.train = training


def plant(place, value, number):
    """Puts a value into one number of the "images", "weights" or "gradients" of training step `number` (from 0)."""
    if place == "weights":
        def spoil(ours):
            kernel = ours.model.trainable_variables[0]
            kernel.assign(_spoilt(tf.convert_to_tensor(kernel), value))
        after_step(number, spoil)
    elif place == "images":
        loss = step.Engine.loss

        def spoilt_loss(self, batch, now, *rest):
            images = tf.where(tf.equal(now, number), _spoilt(batch.images, value), batch.images)
            return loss(self, batch._replace(images=images), now, *rest)
        step.Engine.loss = spoilt_loss
    else:
        apply = step.Engine.apply

        def spoilt_apply(self, gradients, rate):
            now = tf.convert_to_tensor(self.optimizer.iterations)
            first = tf.where(tf.equal(now, tf.cast(number, now.dtype)), _spoilt(gradients[0], value), gradients[0])
            return apply(self, [first, *gradients[1:]], rate)
        step.Engine.apply = spoilt_apply


def _spoilt(tensor, value):
    """The tensor, its first number replaced."""
    flat = tf.reshape(tensor, [-1])
    return tf.reshape(tf.concat([tf.cast([float(value)], flat.dtype), flat[1:]], 0), tf.shape(tensor))
