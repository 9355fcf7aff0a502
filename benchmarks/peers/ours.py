"""cifar_fast itself: the trainer's own objects, driven as `cifar_fast train` drives them."""
import time

from benchmarks.turns import serve
from cifar_fast import environment

environment.prepare()

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from cifar_fast import cli, devices, pipeline, schedules, train  # noqa: E402


def make(settings):
    """settings: flags of `cifar_fast train` by name."""
    started = time.perf_counter()
    _, values = cli.parse(["train", *(f"--{k}={v}" for k, v in settings.items())])
    config = cli.config_of(values)
    data = train.load_data(config)
    runtime = devices.resolve(config.precision, config.xla)
    trainer = train.Trainer(config, runtime, data)
    position = {"epoch": 0, "step": 0, "batches": trainer.batches()}

    def steps(count):
        done = 0
        begin = time.perf_counter()
        while done < count:
            if position["step"] == trainer.steps_per_epoch:
                trainer.epoch, position["step"] = trainer.epoch + 1, 0
                position["batches"] = trainer.batches()
            part = min(count - done, trainer.steps_per_epoch - position["step"], config.steps_per_call or count)
            first = trainer.epoch * trainer.steps_per_epoch + position["step"]
            rates = schedules.learning_rates(config, trainer.steps_per_epoch, first + np.arange(part))
            trainer.engine.run(position["batches"], tf.constant(trainer.epoch), tf.constant(first),
                               tf.constant(rates), tf.zeros([3])).numpy()
            position["step"] += part
            done += part
        return count * config.batch_size, time.perf_counter() - begin

    steps(1)
    about = {"precision": runtime.precision, "xla": runtime.xla, "first_step_seconds": time.perf_counter() - started,
             "input": "resident" if pipeline.is_resident(config.input, data.train_images) else "stream"}
    return about, steps


if __name__ == "__main__":
    serve(make)
