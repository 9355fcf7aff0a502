"""The same network and step in PyTorch: channels_last, eager or compiled, float32 or autocast to bfloat16 (to float16
on GPUs that lack it), on the GPU where torch sees one.

Its images lie in the device's memory and are only flipped and gathered, so what is compared is the training step;
whatever augmentation a PyTorch user adds comes on top.
"""
import time

import torch
from torch import nn
from torch.nn import functional

from benchmarks.support.turns import serve
from cifar_fast.data import sources


class Half(nn.Module):
    """Normalization, ReLU, 3×3 convolution."""

    def __init__(self, filters, strides=1):
        super().__init__()
        self.norm = nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01)
        self.convolution = nn.Conv2d(filters, filters, 3, strides, 1)

    def forward(self, x):
        return self.convolution(functional.relu(self.norm(x)))


class Unit(nn.Module):
    def __init__(self, before, filters):
        super().__init__()
        self.widen = nn.Conv2d(before, filters, 1) if before != filters else None
        self.first, self.second = Half(filters, 2 if self.widen else 1), Half(filters)

    def forward(self, x):
        x = self.first(self.widen(x)) if self.widen else x + self.first(x)
        return x + functional.dropout(self.second(x), 0.1, self.training)


def network(classes):
    widths = [32] * 4 + [64] * 4 + [128] * 4
    units = [Unit(before, after) for before, after in zip([32, *widths[:-1]], widths, strict=True)]
    return nn.Sequential(nn.Conv2d(3, 32, 7, 1, 3), *units, nn.BatchNorm2d(128, eps=1e-3, momentum=0.01),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, classes))


def make(settings):
    """settings: dataset, data_dir (optional), batch_size, compiled (bool), autocast (bool)."""
    data, size = sources.load(settings["dataset"], settings.get("data_dir")), settings["batch_size"]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = True  # all batches have one shape
    images = torch.from_numpy(data.train_images).to(device).permute(0, 3, 1, 2).float()
    images = ((images - images.mean()) / images.std()).contiguous(memory_format=torch.channels_last)
    labels = torch.from_numpy(data.train_labels).to(device).long()
    model = network(len(data.class_names)).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, eps=1e-7, weight_decay=2e-6)
    forward = torch.compile(model) if settings["compiled"] else model
    bfloat16 = device.type == "cpu" or torch.cuda.get_device_capability() >= (8, 0)
    autocast = torch.autocast(device.type, torch.bfloat16 if bfloat16 else torch.float16, enabled=settings["autocast"])
    scaler = torch.amp.GradScaler(device.type, enabled=settings["autocast"] and not bfloat16)

    def steps(count):
        begin = time.perf_counter()
        for _ in range(count):
            indices = torch.randint(len(images), (size,), device=device)
            batch = images[indices]
            if torch.rand(()) < 0.5:
                batch = batch.flip(3)
            with autocast:
                logits = forward(batch.contiguous(memory_format=torch.channels_last))
            loss = functional.cross_entropy(logits.float(), labels[indices])
            optimizer.zero_grad(set_to_none=True)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return count * size, time.perf_counter() - begin

    steps(2)
    return {"settings": {"torch": torch.__version__, "device": device.type}}, steps


if __name__ == "__main__":
    serve(make)
