"""Brings together those who train: splits the CPU, hides what is not used, calls the other workers."""
import tensorflow as tf

from cifar_fast.errors import UserError
from cifar_fast.machine import waiting, workers
from cifar_fast.training import replicas


def gather(layout, config):
    """The `replicas.Replicas` of a `layout.Layout`, or None for one device. It must run before anything makes
    TensorFlow start its devices.

    Args:
      config: a `Config` whose precision and xla are no longer "auto": all workers must compute alike.

    Raises:
      UserError: other workers didn't come, or train something else; TensorFlow has started already.
    """
    try:
        _split(layout, config.logical_cpus)
    except RuntimeError:
        raise UserError("--logical_cpus and --strategy must be known before TensorFlow starts its devices: "
                        "train in a process of its own") from None
    if layout.strategy == "mirrored":
        return replicas.mirrored(layout.devices)
    if layout.strategy == "multi_worker":
        workers.call_roll(layout.cluster, config, layout.devices)
        workers.keep_off_proxies(layout.cluster)
        try:
            with waiting.bounded(config.worker_timeout):
                return replicas.multi_worker(layout.cluster, layout.devices[0], config.worker_timeout)
        except tf.errors.OpError as error:  # a worker answered the call and is gone since, or can't be reached by all
            raise workers.lost(layout.cluster, error) from error
    return None


def _split(layout, logical_cpus):
    """What TensorFlow will see: so many logical devices in place of the CPU, or the layout's GPUs alone, since it takes
    the memory of all that it sees."""
    if logical_cpus:
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration() for _ in range(logical_cpus)])
        tf.config.set_visible_devices([], "GPU")
    elif "GPU" in layout.devices[0]:
        tf.config.set_visible_devices(tf.config.list_physical_devices("GPU")[:len(layout.devices)], "GPU")
