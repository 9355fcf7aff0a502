"""A picture of what augmentation does to some training images, before a run trusts it."""
import numpy as np
import tensorflow as tf

from cifar_fast import report
from cifar_fast.batch import Preparation, Statistics


def draw_augmentation(config, data, path, images=12, views=7):
    """Writes a picture: some training images, each with `views` augmentations of it, one an epoch."""
    indices = np.arange(min(images, len(data.train_images)), dtype=np.int32)
    before = data.train_images[indices]
    statistics = Statistics.of(data.train_images, "channel")
    prepare, labels = Preparation(config, statistics), data.train_labels[indices]
    after = np.stack([prepare(before, labels, indices, tf.constant(epoch)).images for epoch in range(views)], 1)
    after = after * statistics.deviation + statistics.mean
    frame = [(b - a) // 2 for b, a in zip(before.shape[1:3], after.shape[2:4], strict=True)]  # around smaller crops
    after = np.pad(after, ((0, 0), (0, 0), *((f, b - a - f) for f, b, a in zip(
        frame, before.shape[1:3], after.shape[2:4], strict=True)), (0, 0)))
    report.augmentation_sheet(before, after, path)
