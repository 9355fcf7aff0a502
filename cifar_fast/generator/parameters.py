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
    cos, sin = np.cos(theta), np.sin(theta)
    whole, moved = _matrix(count, {}), np.zeros(count, bool)
    for used, entries in (
            (theta != 0, {(0, 0): cos, (0, 1): -sin, (1, 0): sin, (1, 1): cos}),
            ((p["tx"] != 0) | (p["ty"] != 0), {(0, 2): p["tx"], (1, 2): p["ty"]}),
            (shear != 0, {(0, 1): -np.sin(shear), (1, 1): np.cos(shear)}),
            ((p["zx"] != 1) | (p["zy"] != 1), {(0, 0): p["zx"], (1, 1): p["zy"]})):
        if used.any():
            whole = whole @ _matrix(count, entries) if moved.any() else _matrix(count, entries)
            moved |= used
    x, y = height / 2 - 0.5, width / 2 - 0.5
    whole = (_matrix(1, {(0, 2): x, (1, 2): y}) @ whole) @ _matrix(1, {(0, 2): -x, (1, 2): -y})
    rows, columns = whole[:, 1, [1, 0, 2]], whole[:, 0, [1, 0, 2]]
    return np.concatenate([rows, columns], 1), moved


def _matrix(count, entries):
    matrix = np.zeros((count, 3, 3))
    matrix[:, range(3), range(3)] = 1
    for place, values in entries.items():
        matrix[(slice(None), *place)] = values
    return matrix
