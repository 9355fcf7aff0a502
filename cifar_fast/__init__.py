"""cifar_fast: a high-throughput CIFAR-10 and CIFAR-100 trainer on TensorFlow, and a vectorized ImageDataGenerator.

`import cifar_fast` is quick and leaves TensorFlow alone: each name below is imported when it is first used.
"""
import importlib

__version__ = "0.2.0"

_HOMES = {
    "Affine": "cifar_fast.augment",
    "Config": "cifar_fast.config",
    "CutMix": "cifar_fast.augment.layer",
    "Cutout": "cifar_fast.augment.layer",
    "ImageDataGenerator": "cifar_fast.generator",
    "MixUp": "cifar_fast.augment.layer",
    "RandomAffine": "cifar_fast.augment.layer",
    "RandomPadCrop": "cifar_fast.augment.layer",
    "UserError": "cifar_fast.errors",
    "evaluate": "cifar_fast.interface",
    "load_data": "cifar_fast.interface",
    "predict": "cifar_fast.interface",
    "train": "cifar_fast.interface",
}
__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'cifar_fast' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__():
    return sorted({*globals(), *_HOMES})
