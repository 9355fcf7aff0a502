"""What is drawn for each image: Keras's numbers in Keras's order, or those of a whole batch at once.

A batch's parameters are a dict of arrays [B] by the names of ImageDataGenerator.get_random_transform, with None for a
channel shift or a brightness that isn't asked for: theta and shear in degrees, tx and ty in pixels, zx and zy factors.
"""
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
        if values is None or not np.size(values) or np.ndim(values) == 0 and not values:
            return 0
        if np.ndim(values) or isinstance(values, (int, np.integer)):
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
    """The parameters of `count` images, of the same distributions as Keras's. random: a numpy.random.Generator."""
    unit = random.random((len(COLUMNS), count))

    def between(name, low, high):
        return low + (high - low) * unit[COLUMNS[name]]

    def symmetric(name, limit):
        return between(name, -limit, limit) if limit else np.zeros(count)

    def shift(name, values, length):
        if values is None or not np.size(values) or np.ndim(values) == 0 and not values:
            return np.zeros(count)
        scale = length if np.max(values) < 1 else 1
        if np.ndim(values) == 0 and not isinstance(values, (int, np.integer)):
            return symmetric(name, values * scale)
        choices = np.asarray(values) if np.ndim(values) else np.arange(values)
        chosen = choices[(unit[COLUMNS[name]] * len(choices)).astype(int)] * scale
        return np.where(unit[COLUMNS[f"{name}_sign"]] < 0.5, -chosen, chosen)

    g = generator
    return {
        "theta": symmetric("theta", g.rotation_range), "tx": shift("tx", g.height_shift_range, height),
        "ty": shift("ty", g.width_shift_range, width), "shear": symmetric("shear", g.shear_range),
        "zx": between("zx", *g.zoom_range), "zy": between("zy", *g.zoom_range),
        "flip_horizontal": (unit[COLUMNS["flip_horizontal"]] < 0.5) & bool(g.horizontal_flip),
        "flip_vertical": (unit[COLUMNS["flip_vertical"]] < 0.5) & bool(g.vertical_flip),
        "channel_shift_intensity": (symmetric("channel_shift_intensity", g.channel_shift_range)
                                    if g.channel_shift_range else None),
        "brightness": between("brightness", *g.brightness_range) if g.brightness_range is not None else None}


def matrices(parameters, height, width):
    """Where output pixels sample the input: float64 [B, 6], of `kernel.PLAN`'s meaning, and bool [B], whether any pixel
    moves at all.

    The map is rotation · shift · shear · zoom about the centre, multiplied as Keras multiplies it, to the last bit: the
    fill modes "constant" and "wrap" jump at the image's edge. As there, x comes first, and the centre of the columns is
    reckoned from the height and that of the rows from the width, which only images that are not square can tell.
    """
    p, count = parameters, len(parameters["theta"])
    theta, shear = np.deg2rad(p["theta"]), np.deg2rad(p["shear"])
    whole, moved = None, np.zeros(count, bool)
    for used, entries in (
            (theta != 0, lambda: (np.cos(theta), -np.sin(theta), 0, np.sin(theta), np.cos(theta), 0)),
            ((p["tx"] != 0) | (p["ty"] != 0), lambda: (1, 0, p["tx"], 0, 1, p["ty"])),
            (shear != 0, lambda: (1, -np.sin(shear), 0, 0, np.cos(shear), 0)),
            ((p["zx"] != 1) | (p["zy"] != 1), lambda: (p["zx"], 0, 0, 0, p["zy"], 0))):
        if used.any():
            matrix = _matrix(count, entries())
            whole = matrix if whole is None else whole @ matrix
            moved |= used
    if whole is None:
        whole = _matrix(count, (1, 0, 0, 0, 1, 0))
    x, y = height / 2 - 0.5, width / 2 - 0.5
    whole[:, :2, 2] += x, y
    whole = whole @ np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]])
    return whole[:, [1, 1, 1, 0, 0, 0], [1, 0, 2, 1, 0, 2]], moved


def _matrix(count, entries):
    """Matrices [count, 3, 3] of six numbers or arrays [count], the upper two rows."""
    matrix = np.zeros((count, 9))
    matrix[:, 8] = 1
    for place, values in enumerate(entries):
        matrix[:, place] = values
    return matrix.reshape(count, 3, 3)
