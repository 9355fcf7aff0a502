"""A picture of what augmentation does to some training images, before a run trusts it."""
import numpy as np
import tensorflow as tf

from cifar_fast.runs.reports import report
from cifar_fast.training.batch import Preparation, Statistics


def draw_augmentation(config, data, path, own=None, images=12, views=7):
    """Writes a picture: some training images, each with `views` augmentations of it, one an epoch. own: as for
    `Preparation`."""
    indices = np.arange(min(images, len(data.train_images)), dtype=np.int32)
    before = data.train_images[indices]
    statistics = Statistics.of(data.train_images, "channel")
    prepare, labels = Preparation(config, statistics, own), data.train_labels[indices]
    after = np.stack([prepare(before, labels, indices, tf.constant(epoch)).images for epoch in range(views)], 1)
    after = after * statistics.deviation + statistics.mean
    report.augmentation_sheet(before, _framed(after, *before.shape[1:3]), path)


def _framed(images, height, width):
    """[N, K, H, W, C], crops maybe, each in the middle of a black frame of a size."""
    inner_height, inner_width = images.shape[2:4]
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    framed = np.zeros((*images.shape[:2], height, width, images.shape[4]), images.dtype)
    framed[:, :, top:top + inner_height, left:left + inner_width] = images
    return framed
