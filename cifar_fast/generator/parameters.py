"""What is drawn for each image: Keras's numbers in Keras's order, or those of a whole batch at once.

A batch's parameters are a dict of arrays [B] by the names of ImageDataGenerator.get_random_transform: theta and shear
in degrees, tx and ty in pixels, zx and zy factors. A channel shift or brightness that isn't asked for is None.
"""
import functools
from numbers import Integral

import numpy as np

NEUTRAL = {"theta": 0, "tx": 0, "ty": 0, "shear": 0, "zx": 1, "zy": 1, "flip_horizontal": False,
           "flip_vertical": False, "channel_shift_intensity": None, "brightness": None}

# The column of uniform numbers that each parameter reads. Fixed, so that no argument changes another one's draws: two
# generators of one seed, for images and their masks, move both alike even where their other arguments differ.
COLUMNS = {name: column for column, name in enumerate((*NEUTRAL, "tx_sign", "ty_sign"))}


def keras_draw(generator, height, width):
    """One image's parameters from NumPy's global generator, number by number as Keras 3.15 draws them
    (keras/src/legacy/preprocessing/image.py, get_random_transform)."""
    def shift(values, length):
        if _still(values):
            return 0
        if np.ndim(values) or isinstance(values, Integral):
            moved = np.random.choice(values) * np.random.choice([-1, 1])
        else:
            moved = np.random.uniform(-values, values)
        return moved * length if np.max(values) < 1 else moved

    g, uniform = generator, np.random.uniform
    drawn = {"theta": uniform(-g.rotation_range, g.rotation_range) if g.rotation_range else 0,
             "tx": shift(g.height_shift_range, height), "ty": shift(g.width_shift_range, width),
             "shear": uniform(-g.shear_range, g.shear_range) if g.shear_range else 0}
    drawn["zx"], drawn["zy"] = (1, 1) if g.zoom_range[0] == g.zoom_range[1] == 1 else uniform(*g.zoom_range, 2)
    # Both are drawn in any case.
    drawn["flip_horizontal"] = (np.random.random() < 0.5) * g.horizontal_flip
    drawn["flip_vertical"] = (np.random.random() < 0.5) * g.vertical_flip
    drawn["channel_shift_intensity"] = (
        uniform(-g.channel_shift_range, g.channel_shift_range) if g.channel_shift_range != 0 else None)
    drawn["brightness"] = uniform(*g.brightness_range) if g.brightness_range is not None else None
    return drawn


def stacked(drawn):
    """The parameters of a batch from those of its images, a list of dicts, in which what is neutral may be missing."""
    columns = {name: [one.get(name, neutral) for one in drawn] for name, neutral in NEUTRAL.items()}
    return {name: None if column and column[0] is None else np.array(column) for name, column in columns.items()}


def batch_draw(generator, random, count, height, width):
    """The parameters of `count` images, of the same distributions as Keras's. random: a numpy.random.Generator. What
    isn't asked for is one number, the neutral one, in place of an array."""
    unit, drawn, g = random.random((len(COLUMNS), count)), dict(NEUTRAL), generator

    def between(name, low, high):
        drawn[name] = low + (high - low) * unit[COLUMNS[name]]

    def shift(name, values, length):
        if not np.ndim(values) and not isinstance(values, Integral):
            limit = values * length if values < 1 else values
            return between(name, -limit, limit)
        choices = np.asarray(values) if np.ndim(values) else np.arange(values)
        chosen = choices[(unit[COLUMNS[name]] * len(choices)).astype(int)] * (length if np.max(values) < 1 else 1)
        drawn[name] = np.where(unit[COLUMNS[f"{name}_sign"]] < 0.5, -chosen, chosen)

    for name, limit in (("theta", g.rotation_range), ("shear", g.shear_range),
                        ("channel_shift_intensity", g.channel_shift_range)):
        if limit:
            between(name, -limit, limit)
    for name, values, length in (("tx", g.height_shift_range, height), ("ty", g.width_shift_range, width)):
        if not _still(values):
            shift(name, values, length)
    if g.zoom_range != [1, 1]:
        between("zx", *g.zoom_range)
        between("zy", *g.zoom_range)
    for name, wanted in (("flip_horizontal", g.horizontal_flip), ("flip_vertical", g.vertical_flip)):
        if wanted:
            drawn[name] = unit[COLUMNS[name]] < 0.5
    if g.brightness_range is not None:
        between("brightness", *g.brightness_range)
    return drawn


def matrices(parameters, count, height, width):
    """Where output pixels sample the input: float64 [count, 6], of `kernel.PLAN`'s meaning, and bool [count], whether
    any pixel moves at all.

    The map is rotation · shift · shear · zoom about the centre, multiplied as Keras multiplies it, to the last bit: the
    fill modes "constant" and "wrap" jump at the image's edge. As there, x comes first, and the centre of the columns is
    reckoned from the height and that of the rows from the width, which only images that are not square can tell.
    """
    def asked(*names):
        return any(np.ndim(parameters[name]) or parameters[name] != NEUTRAL[name] for name in names)

    p, steps, moved = parameters, [], np.zeros(count, bool)
    if asked("theta"):
        theta = np.deg2rad(p["theta"])
        cos, sin = np.cos(theta), np.sin(theta)
        steps.append(_matrix(count, (cos, -sin, 0, sin, cos, 0)))
        moved |= theta != 0
    if asked("tx", "ty"):
        steps.append(_matrix(count, (1, 0, p["tx"], 0, 1, p["ty"])))
        moved |= (p["tx"] != 0) | (p["ty"] != 0)
    if asked("shear"):
        shear = np.deg2rad(p["shear"])
        steps.append(_matrix(count, (1, -np.sin(shear), 0, 0, np.cos(shear), 0)))
        moved |= shear != 0
    if asked("zx", "zy"):
        steps.append(_matrix(count, (p["zx"], 0, 0, 0, p["zy"], 0)))
        moved |= (p["zx"] != 1) | (p["zy"] != 1)
    whole = functools.reduce(np.matmul, steps) if steps else _matrix(count, (1, 0, 0, 0, 1, 0))
    x, y = height / 2 - 0.5, width / 2 - 0.5
    whole[:, :2, 2] += x, y
    whole = whole @ np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]])
    return whole[:, [1, 1, 1, 0, 0, 0], [1, 0, 2, 1, 0, 2]], moved


def _still(shift):
    """Whether a shift's range asks for none."""
    return shift is None or not np.size(shift) or np.ndim(shift) == 0 and not shift


def _matrix(count, entries):
    """Matrices [count, 3, 3] of six numbers or arrays [count], the upper two rows."""
    matrix = np.zeros((count, 9))
    matrix[:, 8] = 1
    for place, values in enumerate(entries):
        matrix[:, place] = values
    return matrix.reshape(count, 3, 3)
