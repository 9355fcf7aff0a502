"""Muon: its matrices are near orthogonal, its kernels keep their norm, and the rest is Keras's SGD."""
import keras
import numpy as np
import pytest
import tensorflow as tf

from cifar_fast.training.muon import Muon, orthogonal

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(3, 3, 16, 8), (1, 1, 8, 32), (7, 7, 3, 32)])
def test_newton_schulz_moves_singular_values_near_one(shape):
    kernel = RNG.normal(size=shape).astype(np.float32)
    before, after = kernel.reshape(-1, shape[-1]), orthogonal(tf.constant(kernel)).numpy().reshape(-1, shape[-1])
    u, s, v = np.linalg.svd(before, full_matrices=False)
    x = s / np.linalg.norm(s)
    for _ in range(3):  # the iteration acts on each singular value alone
        x = 3.4445 * x - 4.7750 * x**3 + 2.0315 * x**5
    np.testing.assert_allclose(after, u * x @ v, atol=2e-4)
    assert (np.linalg.svd(after, compute_uv=False) < 1.25).all()
    assert (np.linalg.svd(after, compute_uv=False) > 0.5).all()


def test_kernels_turn_and_keep_their_norm():
    kernel = keras.Variable(RNG.normal(size=(3, 3, 4, 8)).astype(np.float32))
    start = kernel.numpy()
    optimizer = Muon(0.1, muon_momentum=0.6, momentum=0.85)
    optimizer.build([kernel])
    for _ in range(3):
        optimizer.apply([tf.constant(RNG.normal(size=start.shape), tf.float32)], [kernel])
    np.testing.assert_allclose(np.linalg.norm(kernel), np.linalg.norm(start), rtol=1e-5)
    cosine = (kernel.numpy() * start).sum() / np.linalg.norm(start) ** 2
    assert 0.8 < cosine < 0.99


def test_steps_of_a_kernel_by_numpy():
    """Two: the first has no momentum yet, and the length of what is made orthogonal doesn't count."""
    start, *gradients = (RNG.normal(size=(1, 1, 4, 8)).astype(np.float32) for _ in range(3))
    kernel = keras.Variable(start)
    optimizer = Muon(0.2, muon_momentum=0.6, momentum=0.85)
    optimizer.build([kernel])
    value, moving, norm = start, 0, np.linalg.norm(start)
    for gradient in gradients:
        optimizer.apply([tf.constant(gradient)], [kernel])
        moving = 0.6 * moving + gradient
        direction = orthogonal(tf.constant(gradient + 0.6 * moving)).numpy()
        value = value - 0.2 * norm * direction / np.linalg.norm(direction)
        value *= norm / np.linalg.norm(value)
    np.testing.assert_allclose(kernel, value, atol=1e-5)


def test_the_rest_is_nesterovs_sgd_with_rates_and_decays_of_its_own():
    ours = [keras.Variable(RNG.normal(size=s).astype(np.float32)) for s in ((6, 4), (4,))]
    theirs = [keras.Variable(v.numpy()) for v in ours]
    muon = Muon(0.1, muon_momentum=0.6, momentum=0.85, dense_rate=2.0, vector_rate=0.5, weight_decay=0.01)
    muon.build(ours)
    plain = [keras.optimizers.SGD(0.1 * r, momentum=0.85, nesterov=True) for r in (2.0, 0.5)]
    for _ in range(4):
        gradients = [tf.constant(RNG.normal(size=v.shape), tf.float32) for v in ours]
        muon.apply(gradients, ours)
        theirs[0].assign(theirs[0] * (1 - 0.2 * 0.01))
        for sgd, gradient, variable in zip(plain, gradients, theirs, strict=True):
            sgd.apply([gradient], [variable])
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
