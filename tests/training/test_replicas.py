"""What replicas say to each other: sums and bytes."""
import numpy as np
import tensorflow as tf

from cifar_fast.training import replicas


class Pair(replicas.Replicas):
    """Two workers without a network: `total` adds what the other, a fixed array, says."""

    def __init__(self, worker, other):
        self.worker, self.workers, self.other = worker, 2, list(other)

    def total(self, array):
        return np.asarray(array, np.float32) + self.other.pop(0)


def test_broadcast_brings_any_bytes():
    for data in (b"", b"\x00", bytes(range(256)) * 3 + b"\xff"):
        said = []

        class Chief(Pair):
            def total(self, array, said=said):
                said.append(np.asarray(array, np.float32))
                return said[-1]

        assert Chief(0, []).broadcast(data) == data
        assert Pair(1, said).broadcast(b"something else") == data


def test_a_tensorflow_without_the_private_base_of_collectives_will_do(monkeypatch):
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda devices: devices)
    monkeypatch.setattr(replicas, "Replicas", tuple)
    assert replicas.mirrored(["/CPU:0", "/CPU:1"]) == ("/CPU:0", "/CPU:1")


def test_each_worker_takes_its_share():
    assert Pair(0, []).share(12) == slice(0, 6) and Pair(1, []).share(12) == slice(6, 12)
