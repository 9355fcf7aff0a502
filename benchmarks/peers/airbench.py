"""airbench94 for PyTorch on CPUs: network, batch and arithmetic of a GPU's record to 94% (Keller Jordan, 2024,
arXiv:2404.00498), written anew; channels_last, eager or compiled, float32 or autocast to bfloat16.

What its author publishes is 94.01%, the mean of 1,000 runs, with six views of each test image (`evaluate`).
"""
import math
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.support.turns import serve
from cifar_fast.data import sources

EXAMPLES = 50_000  # images that it is made for
BATCH, PASSES, MARGIN = 1024, 9.9, 2  # images a step; passes over the training images; pixels that images are moved by
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of values within 0 … 1
FIRST, WIDTHS, PATCH = 24, (64, 256, 256), 2
RATE, MOMENTUM, DECAY, FASTER, SMOOTHING = 11.5, 0.85, 0.0153, 64, 0.2  # faster: the normalizations' biases
WHITENING_PASSES = 3  # in which the whitening's bias is trained
EVERY = 5  # steps between two looks ahead


def steps_of(images, batch=BATCH):
    """The steps of a whole run over so many training images: full batches alone."""
    return math.ceil(images // batch * PASSES)


def convolution(before, filters):
    """3×3 without bias; its first filters begin by handing on their input."""
    layer = nn.Conv2d(before, filters, 3, padding=1, bias=False)
    nn.init.dirac_(layer.weight.data[:before])
    return layer


def normalization(filters):
    layer = nn.BatchNorm2d(filters, eps=1e-12, momentum=0.4)
    layer.weight.requires_grad = False
    return layer


class Block(nn.Module):
    """Two convolutions, normalized and activated; the first halves the sides."""

    def __init__(self, before, filters):
        super().__init__()
        self.convolution1, self.norm1 = convolution(before, filters), normalization(filters)
        self.convolution2, self.norm2 = convolution(filters, filters), normalization(filters)

    def forward(self, x):
        x = functional.gelu(self.norm1(functional.max_pool2d(self.convolution1(x), 2)))
        return functional.gelu(self.norm2(self.convolution2(x)))


class Network(nn.Module):
    """Images [B, 3, 32, 32], normalized → logits [B, 10]."""

    def __init__(self, classes=10):
        super().__init__()
        self.whitening = nn.Conv2d(3, FIRST, PATCH)
        self.whitening.weight.requires_grad = False
        self.blocks = nn.Sequential(*[Block(before, filters) for before, filters in
                                      zip((FIRST, *WIDTHS[:-1]), WIDTHS, strict=True)])
        self.dense = nn.Linear(WIDTHS[-1], classes, bias=False)

    def forward(self, x):
        x = self.blocks(functional.gelu(self.whitening(x)))
        return self.dense(functional.max_pool2d(x, 3).flatten(1)) / 9

    @torch.no_grad()
    def fit_whitening(self, images):
        """Filters by which the patches of images have no correlations: each eigenvector of their covariance, and its
        negative."""
        patches = functional.unfold(images, PATCH).transpose(1, 2).flatten(0, 1)
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (vectors / torch.sqrt(values + 5e-4)).T.reshape(FIRST // 2, 3, PATCH, PATCH)
        self.whitening.weight.copy_(torch.cat([filters, -filters]))


def build_optimizer(model):
    """Nesterov's SGD for losses that are summed, not averaged, over a batch of `BATCH`. Its rates are those of 1,024
    examples; what is decayed at a step does not hang on the parameter's own rate."""
    scale = 1024 * (1 + 1 / (1 - MOMENTUM))
    rate, decay = RATE / scale, DECAY * BATCH / scale
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    groups = [{"params": [p for name, p in named if ("norm" in name) == faster], "lr": own, "weight_decay": decay / own}
              for faster, own in ((False, rate), (True, FASTER * rate))]
    return torch.optim.SGD(groups, momentum=MOMENTUM, nesterov=True)


def rate_share(step, steps):
    """Of the highest learning rate, at a step of so many: up from 0.2 to 1 until 23% are over, then down to 0.07."""
    return float(np.interp(step, [0, int(0.23 * steps), steps], [0.2, 1, 0.07]))


def normalized(pixels):
    """uint8 [B, H, W, 3] → float32 [B, 3, H, W], laid out as channels_last."""
    x = pixels.permute(0, 3, 1, 2).float() / 255
    return (x - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None]


class Images:
    """Training images, uint8 [N, H, W, 3], mirrored in every other pass and moved by up to `MARGIN` pixels."""

    def __init__(self, images):
        self.side = images.shape[1]
        margins = (0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)
        self.padded = torch.from_numpy(np.pad(images, margins, "reflect"))
        self.mirrored = torch.rand(len(images)) < 0.5  # in the passes 0, 2, …

    def batch(self, indices, number):
        """The images of a pass, augmented and normalized."""
        rows, columns = torch.randint(2 * MARGIN + 1, (2, len(indices), 1)) + torch.arange(self.side)
        mirrored = self.mirrored[indices] ^ bool(number % 2)
        columns = torch.where(mirrored[:, None], columns.flip(1), columns)
        return normalized(self.padded[indices[:, None, None], rows[:, :, None], columns[:, None, :]])


class Training:
    """A run, step by step.

    Args:
      images: uint8 [N, 32, 32, 3]; labels: whole numbers [N]. compiled, autocast: bools. batch: images a step.
    """

    def __init__(self, images, labels, classes, compiled, autocast, batch=BATCH):
        self.batch, self.step, self.steps = batch, 0, steps_of(len(images), batch)
        self.images, self.labels = Images(images), torch.from_numpy(labels).long()
        self.model = Network(classes).to(memory_format=torch.channels_last)
        self.model.fit_whitening(normalized(torch.from_numpy(images[:5000])))
        self.forward = torch.compile(self.model) if compiled else self.model
        self.optimizer = build_optimizer(self.model)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.autocast = torch.autocast("cpu", torch.bfloat16, enabled=autocast)
        self.average = [tensor.clone() for tensor in self._state()]
        self.order = torch.randperm(len(labels))

    def train(self, count):
        """Takes so many steps."""
        self.model.train()
        for _ in range(count):
            number, place = divmod(self.step, len(self.order) // self.batch)
            if not place:
                self.order = torch.randperm(len(self.order))
            self.model.whitening.bias.requires_grad = number < WHITENING_PASSES
            self._take(self.order[place * self.batch:(place + 1) * self.batch], number)

    def _take(self, indices, number):
        with self.autocast:
            logits = self.forward(self.images.batch(indices, number))
        loss = functional.cross_entropy(logits.float(), self.labels[indices], label_smoothing=SMOOTHING,
                                        reduction="sum")
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * rate_share(self.step, self.steps)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.step += 1
        if self.step == self.steps:
            self._look_ahead(1.0)
        elif self.step % EVERY == 0:
            self._look_ahead(0.95**EVERY * (self.step / self.steps)**3)

    @torch.no_grad()
    def _look_ahead(self, kept):
        """The average keeps a share of itself, and the network goes on from it."""
        for average, tensor in zip(self.average, self._state(), strict=True):
            tensor.copy_(average.lerp_(tensor, 1 - kept))

    def _state(self):
        return [tensor for tensor in self.model.state_dict().values() if tensor.is_floating_point()]

    @torch.no_grad()
    def evaluate(self, images, labels):
        """(accuracy of one view of each image, of the mean of six: it and its mirror image, and both moved by a pixel
        to either corner, which together count as much). images: uint8 [N, 32, 32, 3]; labels: [N]."""
        self.model.eval()
        right = np.zeros(2, int)
        for first in range(0, len(images), 1000):
            x = normalized(torch.from_numpy(images[first:first + 1000]))
            moved, side = functional.pad(x, (1,) * 4, "reflect"), x.shape[-1]
            with self.autocast:
                plain, *others = [self.model(v) for view in (x, moved[..., :side, :side], moved[..., 2:, 2:])
                                  for v in (view, view.flip(3))]
            views = (plain + others[0]) / 4 + sum(others[1:]) / 8
            right += [(view.argmax(1).numpy() == labels[first:first + 1000]).sum() for view in (plain, views)]
        return tuple((right / len(images)).tolist())


def make(settings):
    """settings: dataset, data_dir, compiled, autocast, and for trials train_examples, test_examples, batch_size; whole:
    train to the end before anything else, and say in "whole" what came of it."""
    data = sources.load(settings["dataset"], settings.get("data_dir"), train_examples=settings.get("train_examples"),
                        test_examples=settings.get("test_examples"))
    ours = Training(data.train_images, data.train_labels, len(data.class_names), settings["compiled"],
                    settings["autocast"], settings.get("batch_size", BATCH))
    about = {"settings": {"torch": torch.__version__}, "images": steps_of(EXAMPLES) * BATCH}

    def steps(count):
        begin = time.perf_counter()
        ours.train(count)
        return count * ours.batch, time.perf_counter() - begin

    if settings.get("whole"):
        _, seconds = steps(ours.steps)
        begin = time.perf_counter()
        accuracy, of_views = ours.evaluate(data.test_images, data.test_labels)
        about["whole"] = {"training_seconds": seconds, "final_evaluation_seconds": time.perf_counter() - begin,
                          "test_accuracy": accuracy, "tta_accuracy": of_views}
    else:  # the steps of seven passes in ten: they are a little faster than the first
        ours.step = WHITENING_PASSES * (len(data.train_labels) // ours.batch)
        steps(1)
    return about, steps


if __name__ == "__main__":
    serve(make)
