"""The built-in data set: ten shapes (or ten shapes in ten textures), drawn by formula, for machines without data.

Colours, sizes, places, angles and backgrounds are random and independent of the class, and a shape may be lighter
or darker than its ground, so no pixel tells the class by itself and a linear classifier fails; the outlines do.
Images are drawn in blocks of `BLOCK` by (seed, split, block), so the first n are the same however many are asked for.
"""
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

SIZE, BLOCK, TRAIN, TEST = 32, 100, 50_000, 10_000
MOST = 1_000_000  # images of a set: 3 GB
SHAPES = ("disc", "ring", "square", "frame", "triangle", "cross", "star", "crescent", "stripes", "dots")
TEXTURES = ("plain", "grained", "lined", "checked", "faded", "rimmed", "halved", "spotted", "cored", "twotone")


def class_names(classes):
    """The names of 10 or 100 classes."""
    return SHAPES if classes == 10 else tuple(f"{texture} {shape}" for shape in SHAPES for texture in TEXTURES)


def make(seed, classes, train, test):
    """Draws the set.

    Args:
      seed: int ≥ 0. classes: 10 or 100. train, test: how many images of each split.
    Returns:
      train images uint8 [N, 32, 32, 3], train labels int32 [N], test images, test labels.
    """
    result = []
    for split, count in enumerate((train, test)):
        images, labels = np.empty((count, SIZE, SIZE, 3), np.uint8), np.empty(count, np.int32)

        def draw(start, split=split, images=images, labels=labels):
            mine = slice(start, start + BLOCK)
            drawn = _block(np.random.default_rng([seed, split, start // BLOCK]), classes)
            images[mine], labels[mine] = (part[:len(labels[mine])] for part in drawn)

        with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:  # NumPy leaves Python to the others meanwhile
            list(pool.map(draw, range(0, count, BLOCK)))
        result += [images, labels]
    return result


def _block(rng, classes):
    labels = rng.integers(0, classes, BLOCK, dtype=np.int32)
    shapes, textures = (labels, np.zeros_like(labels)) if classes == 10 else (labels // 10, labels % 10)
    x, y = _coordinates(rng)
    distance = np.empty((BLOCK, SIZE, SIZE), np.float32)
    for shape in range(len(SHAPES)):
        mine = shapes == shape
        distance[mine] = _distance(shape, x[mine], y[mine])
    # Inside is where the distance is below 0; the edge is one pixel soft.
    mask = np.clip(0.5 - distance * 8, 0, 1)
    mask *= _texture(textures, x, y, distance)
    ground = _colours(rng)
    shift = rng.uniform(0.25, 0.6, (BLOCK, 1, 1, 3)).astype(np.float32) * rng.choice([-1, 1], (BLOCK, 1, 1, 1))
    mean = ground.mean((1, 2, 3), keepdims=True) + shift.mean(3, keepdims=True)
    figure = np.where((mean < 0) | (mean > 1), -shift, shift)
    images = ground + mask[..., None] * figure
    images += rng.normal(0, 0.06, images.shape).astype(np.float32)
    return (np.clip(images, 0, 1) * 255).astype(np.uint8), labels


def _coordinates(rng):
    """Each image's own frame: shifted, scaled and turned, so that shapes lie within about ±1."""
    grid = (np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2) / (SIZE / 2)
    scale = rng.uniform(1.3, 2.2, (BLOCK, 1, 1)).astype(np.float32)
    angle = rng.uniform(-np.pi, np.pi, (BLOCK, 1, 1)).astype(np.float32)
    x = (grid - rng.uniform(-0.25, 0.25, (BLOCK, 1, 1)).astype(np.float32)) * scale
    y = (grid[:, None] - rng.uniform(-0.25, 0.25, (BLOCK, 1, 1)).astype(np.float32)) * scale
    return np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y


def _distance(shape, x, y):
    """About the signed distance to the outline, negative inside."""
    r, box = np.hypot(x, y), np.maximum(np.abs(x), np.abs(y))
    angle = np.arctan2(y, x)
    triangle = np.maximum.reduce([np.cos(angle - a) for a in (0, 2 * np.pi / 3, -2 * np.pi / 3)]) * r
    return {
        "disc": lambda: r - 0.85,
        "ring": lambda: np.abs(r - 0.7) - 0.17,
        "square": lambda: box - 0.8,
        "frame": lambda: np.abs(box - 0.7) - 0.17,
        "triangle": lambda: triangle - 0.5,
        "cross": lambda: np.maximum(np.minimum(np.abs(x), np.abs(y)) - 0.22, box - 0.9),
        "star": lambda: r - (0.62 + 0.33 * np.cos(5 * angle)),
        "crescent": lambda: np.maximum(r - 0.9, 0.75 - np.hypot(x - 0.45, y)),
        "stripes": lambda: np.maximum(box - 0.95, np.abs(np.mod(x * 2.2, 1) - 0.5) - 0.25),
        "dots": lambda: np.maximum(np.hypot(np.mod(x * 1.6, 1) - 0.5, np.mod(y * 1.6, 1) - 0.5) - 0.3, box - 0.95),
    }[SHAPES[shape]]()


def _texture(textures, x, y, distance):
    """How strong the figure is at each pixel, by texture, in [0.3, 1]."""
    strength = np.empty_like(x)
    for texture, name in enumerate(TEXTURES):
        mine = textures == texture
        strength[mine] = _strength(name, x[mine], y[mine], distance[mine])
    return strength


def _strength(name, x, y, distance):
    if name == "plain":
        return np.ones_like(x)
    if name == "faded":
        return np.clip(0.65 + 0.45 * x, 0.3, 1)
    return np.where({
        "grained": lambda: np.sin(23 * x) * np.sin(29 * y) > 0.2,
        "lined": lambda: np.sin(14 * y) > 0,
        "checked": lambda: np.sin(9 * x) * np.sin(9 * y) > 0,
        "rimmed": lambda: distance > -0.12,
        "halved": lambda: x > 0,
        "spotted": lambda: np.hypot(np.mod(3 * x, 1) - 0.5, np.mod(3 * y, 1) - 0.5) > 0.3,
        "cored": lambda: np.hypot(x, y) > 0.35,
        "twotone": lambda: np.abs(y) > 0.25,
    }[name](), 1, 0.3)


def _colours(rng):
    """Grounds: two random colours blended along a random direction, float32 [BLOCK, 32, 32, 3]."""
    one, two = rng.uniform(0.15, 0.85, (2, BLOCK, 1, 1, 3)).astype(np.float32)
    two = one + (two - one) * 0.5
    angle = rng.uniform(0, 2 * np.pi, (BLOCK, 1, 1, 1)).astype(np.float32)
    grid = np.linspace(-0.5, 0.5, SIZE, dtype=np.float32)
    along = np.cos(angle) * grid[:, None] + np.sin(angle) * grid[:, None, None]
    return one + (two - one) * (along * 0.7 + 0.5)
