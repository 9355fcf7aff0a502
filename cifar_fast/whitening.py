"""The first convolution as a whitening of its patches, fixed while the rest learns (Page, 2019,
https://myrtle.ai/learn/how-to-train-your-resnet-8-bag-of-tricks/; Jordan, 2024, arXiv:2404.00498).

Over the training images the patches that a kernel sees are strongly correlated. With v the leading eigenvectors of
their covariance and λ its eigenvalues, the filters v / √(λ + ε) answer without correlation and with variance
λ / (λ + ε); their negatives let a ReLU pass both signs.
"""
import numpy as np

from cifar_fast.errors import UserError

IMAGES, EPSILON = 5000, 5e-4  # what Jordan's cifar10-airbench takes
CHUNK = 1000  # images that are float32 at a time


def whiten(convolution, images, statistics):
    """Gives a network's first convolution its whitening kernel, from the first `IMAGES` of the training images, and
    takes it out of the trainable variables: to be called before an optimizer is built on them. The bias learns.

    Args:
      convolution: a built Keras layer, `ResNet.stem`. images, statistics: see `kernel`.
    Raises:
      UserError: the number of filters is odd, or above twice a patch's numbers.
    """
    variable = convolution.kernel
    try:
        variable.assign(kernel(images[:IMAGES], statistics, tuple(variable.shape), EPSILON))
    except ValueError as error:
        raise UserError(f"--whitening --filters={variable.shape[-1]}: {error}") from None
    variable.trainable = False


def kernel(images, statistics, shape, epsilon):
    """The whitening kernel: float32 of `shape`.

    Args:
      images: uint8 [N, H, W, C]. statistics: a `batch.Statistics`, which standardizes them.
      shape: of the kernel, (k, k, C, f): f / 2 filters, by falling eigenvalue, then their negatives in that order.
      epsilon: added to the eigenvalues, in squares of the images' deviation.
    Raises:
      ValueError: f is odd, or above 2 · k · k · C.
    """
    side, _, channels, filters = shape
    length = side * side * channels
    if filters % 2 or filters > 2 * length:
        raise ValueError(f"{filters} filters can't whiten patches of {side}×{side}×{channels}: must be an even number, "
                         f"at most {2 * length}")
    values, vectors = np.linalg.eigh(covariance(images, statistics, side))
    leading = slice(None, -filters // 2 - 1, -1)
    half = vectors[:, leading] / np.sqrt(np.maximum(values[leading], 0) + epsilon)
    return np.concatenate([half, -half], 1).reshape(shape).astype(np.float32)


def covariance(images, statistics, side):
    """The covariance of all side × side patches within standardized images: float64 [n, n], n = side · side · C.

    A product of two numbers of a patch is one of two pixels, so the pixels' products are summed over the images
    once, and over the patches' places after: the patches themselves, 49 times the images at 7×7, are never made.
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
