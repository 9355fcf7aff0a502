"""The network's arithmetic in closed form: a multiplication and an addition are two FLOPs.

Only convolutions and the dense layer count, as is the custom; normalization, activations, additions and the blur are
below 2% of them. A gradient by the input and one by the kernel cost what the forward pass costs.
"""
from typing import NamedTuple


class Convolution(NamedTuple):
    """A convolution with "same" padding: input height and width, filters in and out, kernel side, stride, how often it
    occurs."""

    size: tuple[int, int]
    before: int
    after: int
    kernel: int
    stride: int
    count: int

    def flops(self):
        """FLOPs of one forward pass over one image, all `count` of them."""
        height, width = _strided(self.size, self.stride)
        return 2 * self.count * height * width * self.before * self.after * self.kernel**2


def _strided(size, stride):
    return tuple(-(-side // stride) for side in size)


def convolutions(units, filters, size=(32, 32), channels=3):
    """The convolutions of `resnet.ResNet` for images of a size (H, W), in order, equal ones counted together."""
    found = [Convolution(size, channels, filters, 7, 1, 1)]
    for group in range(3):
        halves = 2 * units // 3
        if group:
            found += [Convolution(size, filters, 2 * filters, 1, 1, 1),
                      Convolution(size, 2 * filters, 2 * filters, 3, 2, 1)]
            filters, size, halves = 2 * filters, _strided(size, 2), halves - 1
        found.append(Convolution(size, filters, filters, 3, 1, halves))
    return found


def forward(units, filters, classes, size=(32, 32), channels=3):
    """FLOPs of one image's forward pass."""
    return sum(c.flops() for c in convolutions(units, filters, size, channels)) + 2 * 4 * filters * classes


def training(units, filters, classes, size=(32, 32), channels=3):
    """FLOPs of one image's training step: forward, and both gradients but the first layer's by the images."""
    first = convolutions(units, filters, size, channels)[0].flops()
    return 3 * forward(units, filters, classes, size, channels) - first


def epoch(config, planned, classes, shape):
    """FLOPs of the training steps of an epoch (a `plan.Epoch`) of a `Config`, on images of shape (H, W, C)."""
    side = planned.size or config.crop_size
    size = (side, side) if side else tuple(shape[:2])
    images = planned.steps * config.batch_size
    whitening = Convolution(size, shape[2], shape[2], 7, 1, 1).flops() if config.whitening else 0  # no gradients
    return images * (training(config.units, config.filters, classes, size, shape[2]) + whitening)
