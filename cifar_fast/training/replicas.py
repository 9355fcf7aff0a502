"""Who trains together, and what they say to each other: a `tf.distribute` strategy used for its collectives alone.

A replica is a device with a whole engine of its own: network, optimizer and data as plain variables on it. The strategy
brings the devices and workers together and sums over them. It holds no variables, so that all a replica does by itself
can be compiled, and nothing of Keras runs in a replica's context, where Keras 3 reduces gradients a second time,
decides about an overflow by one replica alone, and does not compile.
"""
import contextlib
import threading

import numpy as np
import tensorflow as tf

from cifar_fast.system import private


class Replicas:
    """The replicas of a run, those of this process on `devices`.

    Args:
      strategy: a `tf.distribute.MirroredStrategy` or `MultiWorkerMirroredStrategy`.
      cluster: a `cluster.Cluster` if there are several processes, all with the same number of devices.
    """

    def __init__(self, strategy, cluster=None):
        self.strategy, self.cluster = strategy, cluster
        self.worker, self.workers = (cluster.index, len(cluster.addresses)) if cluster else (0, 1)
        self.devices = strategy.extended.worker_devices
        self.count = strategy.num_replicas_in_sync
        self.first = self.worker * len(self.devices)  # the number of this process's first replica, of `count`
        self._totals = {}

    def share(self, batch_size):
        """The slice of the global batch that this process's replicas take."""
        size = batch_size // self.workers
        return slice(self.worker * size, (self.worker + 1) * size)

    def run(self, function):
        """Calls function(i) for the i-th local device on that device, all of them at once; in it `summed` works.

        Returns a list, a nest of tensors for each local replica. To be called in a `tf.function`.
        """
        def replica():
            number = tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group)
            return function(int(number) - self.first)

        nest = self.strategy.run(tf.autograph.experimental.do_not_convert(replica))
        local = [self.strategy.experimental_local_results(tensor) for tensor in tf.nest.flatten(nest)]
        return [tf.nest.pack_sequence_as(nest, tensors) for tensors in zip(*local, strict=True)]

    def total(self, array):
        """The sum of an array over the workers: float32 in and out, the same shape on each, called by all.

        Raises `tf.errors.OpError` where a worker is gone.
        """
        array = np.asarray(array, np.float32)
        if self.workers == 1:
            return array
        # A collective knows its shape: one program for each, in the same order on all workers.
        if array.shape not in self._totals:
            program = tf.function(self._total, autograph=False)
            self._totals[array.shape] = program.get_concrete_function(tf.TensorSpec(array.shape, tf.float32))
        return self._totals[array.shape](tf.constant(array)).numpy()

    def _total(self, array):
        return self.run(lambda i: summed(array if i == 0 else tf.zeros_like(array)))[0]

    def broadcast(self, data):
        """The first worker's bytes, on all workers; the others' `data` doesn't count. Exact: sums of 16-bit numbers."""
        size = int(self._from_first(np.array([len(data)]).view(np.uint16)).view(np.int64)[0])
        words = np.zeros(-(-size // 2), np.uint16)
        if self.worker == 0:
            words.view(np.uint8)[:size] = np.frombuffer(data, np.uint8)
        return self._from_first(words).tobytes()[:size]

    def _from_first(self, words):
        return self.total(words * np.uint16(self.worker == 0)).astype(np.uint16)


def summed(tensor, precision="float32"):
    """The sum of a float32 tensor over all replicas, by one collective in `precision`; within `Replicas.run`."""
    context = tf.distribute.get_replica_context()
    tensor = tf.identity(tf.cast(tensor, precision))  # on this replica's device, where the collective then is
    return tf.cast(context.all_reduce(tf.distribute.ReduceOp.SUM, tensor), tf.float32)


def mirrored(devices):
    """The `Replicas` of this process on some of its devices, names such as "/CPU:1" or "/GPU:0"."""
    # Strategies of one process number their collectives from one base, and would take each other's for their own. The
    # base is private; without it, one process holds one strategy, as the command does.
    if hasattr(tf.distribute.MirroredStrategy, "_collective_key_base"):
        tf.distribute.MirroredStrategy._collective_key_base += 100_000
    return Replicas(tf.distribute.MirroredStrategy(devices))


def multi_worker(cluster, device, timeout):
    """The `Replicas` of several processes, as a `cluster.Cluster` names them: all visible GPUs of each, or its CPU.
    `device` is the name of one of this process's, which says whether NCCL or a ring sums.

    To be called before TensorFlow starts its devices. Waits until all have come, and raises `tf.errors.OpError` if they
    can't sum within `timeout` seconds.
    """
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.addresses)}), task_type="worker", task_id=cluster.index,
        rpc_layer="grpc")
    # No timeout_seconds: TensorFlow would hold threads for each collective that long. A worker that is gone or stopped
    # is noticed all the same, by its connection or its heartbeat.
    options = tf.distribute.experimental.CommunicationOptions(
        implementation=tf.distribute.experimental.CommunicationImplementation(reduced_by(device)))
    team = Replicas(tf.distribute.MultiWorkerMirroredStrategy(resolver, options), cluster)
    with _bounded(timeout):
        team.total(0)  # a first sum, which goes by connections that nobody has tried yet
    return team


@contextlib.contextmanager
def _bounded(seconds):
    """Within it a sum that lasts longer raises `tf.errors.DeadlineExceededError`. What ends it is private; without it
    the sum lasts until a connection or a heartbeat fails."""
    context = private.part("eager.context", "context")
    abort = context and getattr(context(), "abort_collective_ops", None)
    if not abort:
        yield
        return
    late = threading.Timer(seconds, abort, (
        tf.errors.DEADLINE_EXCEEDED, f"no sum over the workers within {seconds:.0f} s"))
    late.start()
    try:
        yield
    finally:
        late.cancel()


def reduced_by(device):
    """What sums over devices of that kind: TensorFlow's name for it."""
    return "NCCL" if "GPU" in device else "RING"
