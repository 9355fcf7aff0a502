"""cifar_fast on one device or several replicas, and what its all-reduce takes by itself."""
import statistics
import time

from benchmarks.peers import ours  # prepares TensorFlow's environment, so it comes first
from benchmarks.support.turns import serve

# isort: split
import tensorflow as tf

from cifar_fast.training import replicas

REPEATS, SUMS = 7, 10


def reduction(trainer):
    """The sum that a step makes, alone: {"all_reduce_seconds", "gradient_bytes"}; zeros for one device."""
    team = trainer.replicas
    if team is None:
        return {"all_reduce_seconds": 0.0, "gradient_bytes": 0}
    numbers = trainer.model.count_params() + 3
    vectors = []
    for device in team.devices:
        with tf.device(device):
            vectors.append(tf.fill([numbers], 1e-3))

    @tf.function
    def sums():
        def several(i):
            vector = vectors[i]
            for _ in range(SUMS):
                vector = replicas.summed(vector)
            return vector
        return team.run(several)[0][0]

    times = []
    for turn in range(REPEATS + 1):
        begin = time.perf_counter()
        sums().numpy()
        if turn:
            times.append((time.perf_counter() - begin) / SUMS)
    return {"all_reduce_seconds": statistics.median(times), "gradient_bytes": 4 * numbers}


if __name__ == "__main__":
    serve(lambda settings: ours.make(settings, reduction))
