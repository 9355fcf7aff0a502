"""Centring, normalization and ZCA whitening: Keras's formulas, of one image, of a batch, and what `fit` finds."""
import math
import warnings

import numpy as np

EPSILON = 1e-6  # added to a standard deviation
BLOCK = 256  # images that are summed at a time


def standardize(generator, x):
    """ImageDataGenerator.standardize: all steps for x, an image, or a batch taken as one; in place where it can be."""
    if generator.preprocessing_function:
        x = generator.preprocessing_function(x)
    if generator.rescale:
        x *= generator.rescale
    if generator.samplewise_center:
        x -= np.mean(x, keepdims=True)
    if generator.samplewise_std_normalization:
        x /= np.std(x, keepdims=True) + EPSILON
    return by_features(generator, x)


def by_samples(generator, batch):
    """What samplewise_center and samplewise_std_normalization make of each image of a batch, in place."""
    rows = batch.reshape(len(batch), math.prod(batch.shape[1:]))  # a view
    if generator.samplewise_center:
        rows -= rows.mean(1, keepdims=True)
    if generator.samplewise_std_normalization:
        rows /= rows.std(1, keepdims=True) + EPSILON
    return batch


def by_features(generator, x):
    """What `fit` found, applied to an image or a batch: in place but for whitening. Warns of what it has not found."""
    g = generator
    if _found(g.featurewise_center, g.mean, "featurewise_center"):
        x -= g.mean
    if _found(g.featurewise_std_normalization, g.std, "featurewise_std_normalization"):
        x /= g.std + EPSILON
    if _found(g.zca_whitening, g.zca_whitening_matrix, "zca_whitening"):
        x = (x.reshape(-1, math.prod(x.shape[-3:])) @ g.zca_whitening_matrix).reshape(x.shape)
    return x


def fit(generator, x):
    """Sets the mean, std and zca_whitening_matrix that a generator asks for. x: float [N, …], changed in place."""
    g = generator
    if g.featurewise_center:
        g.mean = _mean(g, x)
        x -= g.mean
    if g.featurewise_std_normalization:
        g.std = np.sqrt(_mean(g, x, np.square) - np.square(_mean(g, x)))
        x /= g.std + EPSILON
    if g.zca_whitening:
        u, s, _ = np.linalg.svd(x.reshape(len(x), -1).T, full_matrices=False)
        g.zca_whitening_matrix = (u * (np.sqrt(len(x)) / (s + g.zca_epsilon))).dot(u.T)


def _found(wanted, value, name):
    if wanted and value is None:
        warnings.warn(f"{name}: nothing is done before fit(images) of the generator", stacklevel=5)
    return wanted and value is not None


def _mean(generator, x, function=np.positive):
    """The mean of a function of x for each channel, of x's dtype and three dimensions. Summed in float64: sums of
    float32 over 20,000 images are 1% off."""
    axes = (0, generator.row_axis, generator.col_axis)
    parts = [function(x[at:at + BLOCK], dtype=np.float64).sum(axes, keepdims=True) for at in range(0, len(x), BLOCK)]
    channels = x.shape[generator.channel_axis]
    return (np.sum(parts, axis=0)[0] * (channels / x.size)).astype(x.dtype)
