"""cifar_fast itself: the trainer's own objects, driven as `cifar_fast train` drives them."""
import time

from benchmarks.support.turns import serve
from cifar_fast import environment

environment.prepare()

import numpy as np  # noqa: E402

from cifar_fast import cli  # noqa: E402
from cifar_fast.machine import runtime  # noqa: E402
from cifar_fast.training import trainer  # noqa: E402


def make(settings, measure=lambda ours: {}):
    """settings: flags of `cifar_fast train` by name; measure: Trainer → more for the record, taken after a step.

    A turn goes on in the run where the last one ended, or begins with the first epoch of a size of images."""
    started = time.perf_counter()
    here = runtime.assemble(cli.config_for([f"--{k}={v}" for k, v in settings.items()]))
    config = here.config
    ours = trainer.Trainer(config, here.compute, trainer.load_data(config), here.replicas)
    place = {}

    def enter(epoch):
        place.update(epoch=epoch, start=0, batches=ours.batches(epoch))

    def steps(count, size=None):
        if size:
            enter([epoch.size for epoch in ours.plan].index(size))
        done, begin = 0, time.perf_counter()
        while done < count:
            if place["start"] == ours.plan[place["epoch"]].steps:
                enter(place["epoch"] + 1)
            left = ours.plan[place["epoch"]].steps - place["start"]
            part = min(count - done, left, config.steps_per_call or count)
            ours.train(place["batches"], place["epoch"], place["start"], part, np.zeros(3, np.float32))
            place["start"] += part
            done += part
        return count * config.batch_size, time.perf_counter() - begin

    enter(0)
    steps(1)
    settings = {"precision": config.precision, "xla": config.xla,
                "input": "resident" if ours.resident else "stream"}
    return {"settings": settings, "first_step_seconds": time.perf_counter() - started} | measure(ours), steps


if __name__ == "__main__":
    serve(make)
