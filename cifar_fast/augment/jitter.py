"""Brightness and contrast of standardized images, a random amount each.

Draws from (seed, id), see `draws`: an image's amounts are the same in any batch, compiled or not. The newer records
of cifar10-airbench have both at 0.13; the drop-in generator's `brightness_range` is Keras's, and another
thing: a factor of pixels from 0 to 255.
"""
from cifar_fast.augment import draws


def brightness_contrast(images, seed, ids, brightness, contrast):
    """Adds b to all of an image, then multiplies it by c.

    Args:
      images: float32 [B, H, W, C] of mean 0 and deviation 1. seed: a pair of integers; ids: int32 [B], see `draws`.
      brightness: b is uniform in ± this, in deviations. contrast: c is uniform in 1 ± this, about the mean 0.
    Returns:
      float32 [B, H, W, C].
    Raises:
      ValueError: the brightness is negative, or the contrast outside 0 to 1.
    """
    if brightness < 0:
        raise ValueError(f"brightness={brightness}: must be at least 0")
    if not 0 <= contrast <= 1:
        raise ValueError(f"contrast={contrast}: must be from 0 to 1")
    amounts = 2 * draws.unit(draws.bits(seed, ids, 2)) - 1
    shift, factor = amounts[:, :1] * brightness, 1 + amounts[:, 1:] * contrast
    return (images + shift[:, :, None, None]) * factor[:, :, None, None]
