"""A worker whose gradients overflow in the step after its number: what the tests of workers start two of."""
import numpy as np
import tensorflow as tf

from cifar_fast.config import Config
from cifar_fast.machine import runtime
from cifar_fast.training import trainer


def train():
    """Takes four steps and prints the loss scale, the updates, whether all is finite, and a digest of the weights."""
    config = Config(dataset="synthetic", units=3, filters=4, batch_size=16, precision="float16", train_examples=80,
                    test_examples=40)
    here = runtime.assemble(config)
    ours = trainer.Trainer(here.config, here.compute, trainer.load_data(here.config), here.replicas)
    engine, gradients = ours.engines[0], ours.engines[0].gradients

    def overflown(batch, weights, step):
        (first, *rest), totals, losses = gradients(batch, weights, step)
        return [tf.where(tf.equal(step, 1 + here.replicas.worker), np.inf, first), *rest], totals, losses

    engine.gradients = overflown
    ours.train(ours.batches(0), 0, 0, 4, np.zeros(3, np.float32))
    print(float(engine.optimizer.dynamic_scale), int(engine.optimizer.inner_optimizer.iterations.numpy()),
          all(np.isfinite(v.numpy()).all() for v in ours.model.variables), trainer.weights_sha256(ours.model))
