"""Muon: momentum whose step is made orthogonal, for the kernels of convolutions (Jordan, 2024).

A kernel [k, k, in, out] is taken as a matrix (k·k·in, out). Its Nesterov momentum is replaced by the nearest
matrix with singular values near 1, found by a few Newton–Schulz iterations, and scaled to the norm that the
kernel began with; after the step the kernel is scaled back to that norm, so that the learning rate is the angle by
which it turns. https://kellerjordan.github.io/posts/muon and the trainer cifar10-airbench are the sources.
"""
import keras
import tensorflow as tf

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 3


class Muon(keras.optimizers.Optimizer):
    """Muon for kernels of rank 4, SGD with Nesterov momentum for everything else.

    Args:
      learning_rate: of the kernels. dense_rate, vector_rate: factors on it for matrices and for vectors.
      muon_momentum, momentum: of the kernels and of the rest, both Nesterov.
      weight_decay, vector_decay: decoupled, of matrices and of vectors; kernels keep their norm instead.
    """

    def __init__(self, learning_rate, *, muon_momentum, momentum, dense_rate=1.0, vector_rate=1.0, weight_decay=0.0,
                 vector_decay=0.0):
        super().__init__(learning_rate, name="muon")
        self.inputs = [tf.Variable(value, trainable=False, dtype=tf.float32) for value in (  # see `Engine.inputs`
            muon_momentum, momentum, dense_rate, vector_rate, weight_decay, vector_decay)]
        self.muon_momentum, self.momentum, dense_rate, vector_rate, weight_decay, vector_decay = self.inputs
        self.factors = {2: dense_rate, 1: vector_rate}
        self.decays = {2: weight_decay, 1: vector_decay}

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.momenta = [self.add_variable_from_reference(v, "momentum") for v in variables]
        self.norms = {}
        for index, variable in enumerate(variables):
            if _is_kernel(variable):
                self.norms[index] = self.add_variable((), initializer="zeros", dtype="float32", name="norm")
                self.norms[index].assign(tf.norm(variable.value))

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        (self._turn if _is_kernel(variable) else self._descend)(gradient, variable, learning_rate, index)

    def _turn(self, gradient, kernel, rate, index):
        norm = self.norms[index].value
        direction = orthogonal(self._nesterov(gradient, index, self.muon_momentum))
        moved = kernel - rate * norm / (tf.norm(direction) + 1e-7) * direction
        kernel.assign(moved * (norm / (tf.norm(moved) + 1e-7)))

    def _descend(self, gradient, variable, rate, index):
        rank = len(variable.shape)
        rate *= self.factors[rank]
        step = self._nesterov(gradient, index, self.momentum)
        variable.assign(variable * (1 - rate * self.decays[rank]) - rate * step)

    def _nesterov(self, gradient, index, momentum):
        moving = self.momenta[index]
        moving.assign(momentum * moving + gradient)
        return gradient + momentum * moving.value


def orthogonal(kernel):
    """A tensor [..., out], taken as a matrix, with its singular values moved near to 1 (0.55 to 1.2 from 0.1 of the
    largest on): `ITERATIONS` times X ← XP, P = a + bS + cS², S = XᵀX. float32 in and out, the same shape.

    The next S is PSP, so all iterations are products of the short side; the long one is multiplied at both ends only.
    """
    a, b, c = COEFFICIENTS
    x = tf.reshape(kernel, [-1, kernel.shape[-1]])
    wide = x.shape[0] < x.shape[1]
    x = tf.transpose(x) if wide else x
    square = tf.matmul(x, x, transpose_a=True)
    length = tf.sqrt(tf.linalg.trace(square)) + 1e-7
    square /= length**2
    one = tf.eye(x.shape[1])
    factor = one / length
    for _ in range(ITERATIONS):
        step = a * one + b * square + c * tf.matmul(square, square)
        factor, square = tf.matmul(factor, step), tf.matmul(tf.matmul(step, square), step)
    x = tf.matmul(x, factor)
    return tf.reshape(tf.transpose(x) if wide else x, kernel.shape)


def _is_kernel(variable):
    return len(variable.shape) == 4
