"""Whitening: a fixed convolution before the network, by which neighbouring pixels are no longer correlated.

Over the training images the numbers of a patch are strongly correlated: most of the variance of 7×7×3 is that of the
patch's mean brightness. With Σ = V Λ Vᵀ their covariance, the patch times V (Λ + ε)^-1/2 Vᵀ has the
variance λ / (λ + ε) along every eigenvector: it is white but for what is weaker than ε, and of all white ones the
nearest to the patch (ZCA; Bell and Sejnowski, 1997, and Krizhevsky, 2009, on CIFAR-10). The images' statistics are the
same everywhere, so the centre pixel's columns of that matrix, slid over the image, serve as a convolution.

Page (2019, https://myrtle.ai/learn/how-to-train-your-resnet-8-bag-of-tricks/) and Jordan (2024, arXiv:2404.00498)
whiten by the first layer's own filters, fixed, a direction each. The 32 filters of this network's 7×7 layer would leave
out most of the 147 directions; here all of them pass, and the first layer learns as the others do.
"""
import keras
import numpy as np
import tensorflow as tf

from cifar_fast.errors import UserError

SIDE, EPSILON = 7, 0.1  # pixels, as the first layer sees them; in squares of the images' deviation
IMAGES = 5000  # the first of the training images; what Jordan's cifar10-airbench takes
CHUNK = 1000  # images that are float32 at a time
PIXELS = 64 * 64  # of an image at most: the products of all pairs are 1.2 GB of float64 in three channels


class Whitening(keras.layers.Layer):
    """Standardized images float [B, H, W, C] → float32 of the same shape, reflected outside; H, W ≥ 4.

    Its kernel is `fitted`'s, assigned before the training or with the weights of a checkpoint; it is never trained.
    Images of all sizes pass the same one, that of full-size images.
    """

    def __init__(self):
        super().__init__(dtype="float32")

    def build(self, shape):
        self.kernel = self.add_weight(name="whitening", shape=(SIDE, SIDE, shape[-1], shape[-1]), initializer="zeros",
                                      trainable=False)

    def call(self, images):
        margin = [SIDE // 2, SIDE // 2]
        return tf.nn.conv2d(tf.pad(images, [[0, 0], margin, margin, [0, 0]], "REFLECT"), self.kernel, 1, "VALID")


def check(height, width, crop_size=0):
    """Raises UserError for images that hold no patch or are too large, or crops of them (0: none) too small to be
    reflected outside."""
    if min(height, width) < SIDE:
        raise UserError(f"--whitening: images of {height}×{width} pixels hold no patch of {SIDE}×{SIDE}")
    if height * width > PIXELS:
        raise UserError(f"--whitening: images of {height}×{width} pixels are too large for it; expected at most "
                        f"{PIXELS} pixels")
    if 0 < crop_size <= SIDE // 2:
        raise UserError(f"--whitening --crop_size={crop_size}: whitened crops must have a side of at least "
                        f"{SIDE // 2 + 1} pixels")


def fitted(images, statistics):
    """The kernel for training images: float32 [SIDE, SIDE, C, C].

    Args:
      images: uint8 [N, H, W, C]. statistics: a `batch.Statistics`, which standardizes them.
    Raises:
      UserError: the images are smaller than a patch, larger than `PIXELS`, or all of one colour.
    """
    check(*images.shape[1:3])
    if (images[:IMAGES] == images[0][0, 0]).all():
        raise UserError("--whitening: the training images are all of one colour; leave it out")
    return kernel(covariance(images[:IMAGES], statistics, SIDE), SIDE, EPSILON)


def kernel(covariance, side, epsilon):
    """The convolution's kernel, float32 [side, side, C, C], scaled so that a whitened pixel has variance 1.

    Args:
      covariance: float64 [n, n] of patches, n = side · side · C, see below. epsilon: added to its eigenvalues.
    """
    values, vectors = np.linalg.eigh(covariance)
    whole = vectors / np.sqrt(np.maximum(values, 0) + epsilon) @ vectors.T
    channels = len(whole) // side**2
    first = side**2 // 2 * channels
    centre = whole[:, first:first + channels]
    variance = np.trace(centre.T @ covariance @ centre) / channels
    return (centre / np.sqrt(variance)).reshape(side, side, channels, channels).astype(np.float32)


def covariance(images, statistics, side):
    """The covariance of all side × side patches within standardized images: float64 [n, n], n = side · side · C.

    A product of two numbers of a patch is one of two pixels, so the pixels' products are summed over the images
    once, and over the patches' places after: the patches themselves, 49 times the images at 7×7, are never made.

    Args:
      images: uint8 [N, H, W, C]. statistics: a `batch.Statistics`, which standardizes them.
    """
    _, height, width, channels = images.shape
    pixels = height * width * channels
    products, total = np.zeros((pixels, pixels)), np.zeros(pixels)
    for start in range(0, len(images), CHUNK):
        part = np.asarray(statistics(images[start:start + CHUNK])).reshape(-1, pixels)
        products += part.T @ part
        total += part.sum(0, dtype=np.float64)
    products = products.reshape(height, width, channels, height, width, channels)
    total = total.reshape(height, width, channels)

    rows, columns = height - side + 1, width - side + 1  # places of a patch
    parts = [(slice(i, i + rows), slice(j, j + columns)) for i in range(side) for j in range(side)]
    count = len(images) * rows * columns
    mean = np.concatenate([total[part].sum((0, 1)) for part in parts]) / count
    square = np.block([[np.einsum("hwchwd->cd", products[*one, :, *other]) for other in parts] for one in parts])
    return square / count - np.outer(mean, mean)
