"""Fair timing and its record: contestants take turns in one run, and what comes out is said the same way by all.

    rates = interleave({"cifar_fast": ours, "peer": theirs}, repeats=5)   # A B A B …, images a second
    results = [result(name, rates[name], {"batch_size": 512}) for name in rates]
    write(out, "augment", results, [ratio("cifar_fast", "peer", rates)])

A shared machine slows and speeds up by the minute, so only rates taken next to each other are compared: a ratio is
the median of the pairs' ratios, not the ratio of the medians.
"""
import importlib.metadata
import io
import os
import platform
import shlex
import statistics
import sys
import time

from cifar_fast.system import files, processor

PAUSE = 0.2  # seconds
PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "torch", "torchvision")


def interleave(contestants, repeats, warmup=1, clock=time.perf_counter):
    """Runs each contestant in turn, `repeats` times after `warmup` unrecorded rounds.

    Args:
      contestants: {name: callable}; a callable does some work, waits until it is done and returns how many images
        it was, or (images, seconds) where it takes the time itself.
      clock: seconds, for what doesn't.
    Returns:
      {name: [images a second, one each round]}: the i-th of all were taken next to each other.
    Raises:
      ValueError: fewer than one repeat.
    """
    if repeats < 1 or warmup < 0:
        raise ValueError(f"repeats={repeats}, warmup={warmup}: must be at least 1 and 0")
    rates = {name: [] for name in contestants}
    for turn in range(warmup + repeats):
        for name, work in contestants.items():
            begin = clock()
            done = work()
            images, seconds = done if isinstance(done, tuple) else (done, clock() - begin)
            if turn >= warmup:
                rates[name].append(images / seconds)
    return rates


def for_seconds(work, seconds):
    """A contestant that repeats `work` (a callable that returns its images) for at least so many seconds. A turn begins
    with a pause, in which the last one's background threads come to rest, and a call that doesn't count: it brings
    back the caches that the others took."""
    def turn():
        time.sleep(min(PAUSE, seconds))
        work()
        images, begin = 0, time.perf_counter()
        while not images or time.perf_counter() - begin < seconds:
            images += work()
        return images, time.perf_counter() - begin
    return turn


def summary(values):
    """{"median", "min", "max"} of some numbers."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def result(name, rates, settings=None, **more):
    """An entry of a record's "results": rates in images a second, one a round; `more` as it stands."""
    return {"name": name, "settings": settings or {}, "images_per_second": summary(rates), **more, "runs": rates}


def ratio(ours, theirs, rates, settings=None):
    """An entry of a record's "ratios", named "ours / theirs": images a second, pair by pair.

    rates: what `interleave` returned. Raises ValueError where the two took different numbers of turns.
    """
    pairs = zip(rates[ours], rates[theirs], strict=True)
    return {"name": f"{ours} / {theirs}", **summary([a / b for a, b in pairs]),
            **({"settings": settings} if settings else {})}


def machine():
    """The machine block of a record: processor, its instruction sets of interest, cores, memory in GiB, devices.

    Devices are those that TensorFlow sees, where TensorFlow is imported; else the processor alone is named.
    """
    flags = processor.flags()
    devices = [processor.name()]
    if tf := sys.modules.get("tensorflow"):
        details = tf.config.experimental.get_device_details
        devices += [details(gpu).get("device_name", gpu.name) for gpu in tf.config.list_physical_devices("GPU")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"cpu": processor.name(), "instructions": [i for i in processor.INSTRUCTIONS if i in flags],
            "cores": processor.usable_cores(), "memory": round(memory, 1), "devices": devices,
            "system": platform.system()}


def versions():
    """The versions block: Python's and those of the packages of interest that are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def record(benchmark, results, ratios, **more):
    """The record of one run of a benchmark, a dict; the command is read from the process."""
    return {"benchmark": benchmark, "command": command(), "machine": machine(), "versions": versions(),
            "results": results, "ratios": ratios, **more}


def command():
    """The line that started this process, as a shell would read it: `python -m benchmarks.augment --repeats=5`.

    Records are for others: where the data lie on this machine is left out.
    """
    main = sys.modules["__main__"]
    module = getattr(main, "__spec__", None)
    program = f"-m {module.name}" if module else sys.argv[0]
    words = ["--data_dir=DATA" if word.startswith("--data_dir=") else "DATA" if before == "--data_dir" else word
             for before, word in zip(sys.argv, sys.argv[1:], strict=False)]
    return " ".join(["python", program, *map(shlex.quote, words)])


def write(path, benchmark, results, ratios, **more):
    """Writes `record(...)` to a file and returns it. Raises UserError where the file can't be written."""
    whole = record(benchmark, results, ratios, **more)
    files.write_json(path, whole)
    return whole


def table(results, ratios=(), of="images_per_second", form="{:,.0f} images/s"):
    """Results and ratios as text: a line each, name, settings, median, least and most. of: what of the results; form:
    of its numbers."""
    rows = [["", "settings", "median", "min", "max"]]
    for entry in results:
        rows.append([entry["name"], _settings(entry), *(form.format(entry[of][k]) for k in KEYS)])
    for entry in ratios:
        rows.append([entry["name"], _settings(entry), *(f"{entry[k]:,.2f} ×" for k in KEYS)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(w) if i < 2 else cell.rjust(w)
                               for i, (cell, w) in enumerate(zip(row, widths, strict=True))).rstrip() for row in rows)


KEYS = ("median", "min", "max")


def bar_chart(path, results, title, log=False, of="images_per_second", unit="images a second"):
    """Writes a PNG: a bar a result, its median, with a line from least to most; ours is the dark one.

    log: a logarithmic axis, where a slow one would otherwise not be seen. of: what of the results, in which unit.
    Raises UserError where it can't write.
    """
    from matplotlib.figure import Figure

    names = [" · ".join(filter(None, (entry["name"], _settings(entry)))) for entry in results]
    rates = [entry[of] for entry in results]
    figure = Figure(figsize=(9, 1.2 + 0.42 * len(results)), layout="constrained")
    axis = figure.subplots()
    places = range(len(results))[::-1]
    colours = ["#1f5fa8" if entry["name"].startswith("cifar_fast") else "#b8c4d0" for entry in results]
    axis.barh(places, [r["median"] for r in rates], color=colours)
    axis.hlines(places, [r["min"] for r in rates], [r["max"] for r in rates], color="#333333", linewidth=1.5)
    for place, rate in zip(places, rates, strict=True):
        axis.annotate(f"{rate['median']:,.0f}", (rate["max"], place), (5, 0), textcoords="offset points", va="center")
    axis.set_yticks(places, names)
    axis.set_xlabel(unit)
    axis.set_title(title, loc="left")
    axis.spines[["top", "right"]].set_visible(False)
    if log:
        axis.set_xscale("log")
    axis.margins(x=0.12)
    files.write_atomic(path, png(figure))


def png(figure):
    """A Matplotlib figure as the bytes of a PNG."""
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=120)
    return image.getvalue()


def _settings(entry):
    return ", ".join(f"{key} {value}" for key, value in entry.get("settings", {}).items())
