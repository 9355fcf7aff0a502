"""What a run uses of the machine, decided once:

    Config ─► layout: which devices and workers ─► devices: how they compute ─► the Config that the run keeps
           ─► team: the replicas, together ─► Runtime
"""
import contextlib
import dataclasses
import os
from dataclasses import dataclass

import tensorflow as tf

from cifar_fast.config import Config
from cifar_fast.errors import UserError, short
from cifar_fast.machine import devices, layout, team, workers
from cifar_fast.network import winograd
from cifar_fast.training.replicas import Replicas, reduced_by


@dataclass(frozen=True)
class Runtime:
    """A run as it is on this machine.

    config: its `Config` with what auto came to, and the learning rate of so many replicas: they belong to the run, and
    going on elsewhere must not change the arithmetic unseen. replicas: None where one device trains, and until they are
    together.
    """

    config: Config
    layout: layout.Layout
    compute: devices.Compute
    replicas: Replicas | None = None

    @property
    def workers(self):
        """How many processes train together."""
        return self.replicas.workers if self.replicas else 1

    @property
    def leads(self):
        """Whether this process has the run directory and prints."""
        return self.replicas is None or self.replicas.worker == 0

    @property
    def reasons(self):
        """A line for each decision, by name."""
        where, lines = self.layout, {"strategy": f"{self.layout.strategy} ({self.layout.reason})"}
        if where.strategy != "one_device":
            size, count, cluster = self.config.batch_size, where.replica_count, where.cluster
            lines["replicas"] = f"{count}, each {size // count} of a batch of {size}" + (
                f"; worker {cluster.index} of {len(cluster.addresses)}, {len(where.devices)} here" if cluster else "")
            dtype = self.compute.reduced_in(self.config.reduce_in)
            lines["all-reduce"] = f"{reduced_by(where.devices[0])}, one of all gradients a step, in {dtype}"
            statistics = "of all replicas" if self.config.sync_batch_norm else "of each replica's share"
            lines["normalization"] = f"batch statistics {statistics}"
        return lines | self.compute.reasons

    def banner(self):
        width = max(map(len, self.reasons))
        return "\n".join(f"{name:<{width}}  {reason}" for name, reason in self.reasons.items())


def decide(config):
    """The `Runtime` of a `Config`, its replicas not together yet: no device is started, and no other worker asked.

    Raises:
      UserError: what was asked for can't run here.
    """
    where = layout.decide(config, len(tf.config.list_physical_devices("GPU")), os.environ)
    compute = devices.resolve(config.precision, config.xla, where.devices, config.convolutions, config.sync_batch_norm)
    lanes = winograd.LANES.get(compute.precision)
    if config.convolutions == "winograd" and 4 * config.filters % lanes:
        raise UserError(f"--convolutions=winograd: with --filters={config.filters} no convolution has a multiple of "
                        f"{lanes} filters, which our code needs; take auto, or a multiple of {lanes // 4}")
    settled = dataclasses.replace(
        config, precision=compute.precision, xla="on" if compute.xla else "off", scale_learning_rate=False,
        learning_rate=config.learning_rate * (where.replica_count if config.scale_learning_rate else 1))
    return Runtime(settled, where, compute)


def assemble(config):
    """The `Runtime` of a `Config`, its replicas together. To be called before anything makes TensorFlow start its
    devices.

    Raises:
      UserError: what was asked for can't run here, or other workers didn't come.
    """
    decided = decide(config)
    return dataclasses.replace(decided, replicas=team.gather(decided.layout, decided.config))


@contextlib.contextmanager
def start(config):
    """What `assemble` gives, for a block that trains; at its end the chief waits for the other workers.

    Raises:
      UserError: as `assemble`, and from within the block: a worker is lost, or a device's memory is too small.
    """
    runtime = assemble(config)
    cluster = runtime.layout.cluster
    try:
        yield runtime
        if cluster:
            workers.outlive(cluster)
    except tf.errors.ResourceExhaustedError as error:
        raise UserError(f"--batch_size={config.batch_size}: the memory of {runtime.compute.device} does not hold it "
                        f"({short(error.message)}); take --input=stream, or a smaller batch in another "
                        "--workdir") from error
    except tf.errors.OpError as error:
        if cluster is None:
            raise
        raise workers.lost(cluster, error) from error
