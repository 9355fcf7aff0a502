"""Runs the benchmarks and writes one page to paste: this machine's GPU or processor beside the original 43 seconds.

    python -m benchmarks.report --data_dir=PATH --out=report

epoch_time, input_pipeline, step_breakdown and augment run one after another, each as a process of its own, and leave
their records in the folder; report.md and report.png are made from them. A benchmark that fails is named on the page
with its last words, and the exit code is 1. `--dataset=synthetic` needs no data.
"""
import json
import shlex
import subprocess
import sys
from pathlib import Path

from absl import app, flags

from benchmarks.peers import PEERS
from benchmarks.support import harness
from cifar_fast.errors import UserError
from cifar_fast.system import files, paths

EPOCH = 50_000  # images
AUGMENTED = ["--rotation_range=30", "--width_shift_range=0.1", "--height_shift_range=0.1", "--horizontal_flip",
             "--vertical_flip"]
ORIGINAL = {"name": "2020: ImageDataGenerator and fit, a Colab GPU, as reported", "seconds": 43.0, "batch": 32}


def define_flags():
    flags.DEFINE_string("dataset", "cifar10", "cifar10, cifar100 or synthetic")
    flags.DEFINE_string("data_dir", None, "as for cifar_fast train; not needed for synthetic")
    flags.DEFINE_string("out", "report", "folder for the page, the picture and the records")
    flags.DEFINE_list("batch_sizes", ["32", "128", "512"], "images a step, for the seconds an epoch")
    flags.DEFINE_list("peers", PEERS, "as for epoch_time; may be empty")
    flags.DEFINE_float("fraction", 0.02, "part of an epoch that a turn of epoch_time takes", lower_bound=1e-4,
                       upper_bound=1)
    flags.DEFINE_integer("repeats", 5, "turns of each contestant", lower_bound=1)


def commands(values):
    """{benchmark: its flags, as a list}, from the values of our own."""
    data = [f"--dataset={values.dataset}", *([f"--data_dir={values.data_dir}"] if values.data_dir else [])]
    turns, largest = f"--repeats={values.repeats}", max(values.batch_sizes, key=int)
    return {
        "epoch_time": [*data, f"--batch_sizes={','.join(values.batch_sizes)}", f"--peers={','.join(values.peers)}",
                       "--noswitches", f"--fraction={values.fraction}", turns],
        "input_pipeline": [*data, f"--batch_size={largest}", turns],
        "step_breakdown": [*data, f"--batch_size={largest}", *AUGMENTED],
        "augment": ["--batch_sizes=512", "--image_sizes=32", turns]}


def run(name, arguments, folder):
    """Runs a benchmark. Returns (its record, None) or, if it failed, (None, its last line)."""
    record = folder / f"{name}.json"
    record.unlink(missing_ok=True)
    done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments, f"--out={record}"],
                          stderr=subprocess.PIPE, text=True, errors="replace")
    if done.returncode or not record.exists():
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        return None, f"exit {done.returncode}: {lines[-1]}"
    return json.loads(record.read_text(encoding="utf-8")), None


def device(records):
    """What the records were made on: the GPUs if any saw some (the parents of `turns` do not look), or the processor.

    records: those of one machine, at least one."""
    machine = max((record["machine"] for record in records), key=lambda machine: len(machine["devices"]))
    gpus = machine["devices"][1:]
    return " + ".join(gpus) if gpus else f"{machine['cpu']}, {machine['cores']} cores"


def page(records, failures=()):
    """The page as Markdown. records: {benchmark: record}, at least one; failures: {benchmark: its last line}."""
    some = next(iter(records.values()))
    lines = [f"# cifar_fast on {device(records.values())}", ""]
    lines += [part for name, write in SECTIONS.items() if name in records for part in (*write(records[name]), "")]
    lines += [f"**{name} failed** ({line})" for name, line in dict(failures).items()]
    versions = ", ".join(f"{name} {version}" for name, version in some["versions"].items())
    lines += ["## Machine", "", f"{some['machine']['cpu']} ({', '.join(some['machine']['instructions'])}), "
              f"{some['machine']['cores']} cores, {some['machine']['memory']} GiB; {versions}.", ""]
    return "\n".join([*lines, *(f"    {_command(record)}" for record in records.values()), ""])


def epochs(record):
    """The rows of the first table and of the picture: (name, settings, images/s, seconds an epoch), fastest first."""
    rows = [(entry["name"], entry["settings"], entry["images_per_second"]["median"],
             entry["seconds_per_epoch"]["median"]) for entry in record["results"]]
    rows.append((ORIGINAL["name"], {"batch_size": ORIGINAL["batch"]}, EPOCH / ORIGINAL["seconds"],
                 ORIGINAL["seconds"]))
    return sorted(rows, key=lambda row: row[3])


def _epoch_time(record):
    yield "The network of the 2020 report (12 units, 1.57 million parameters, dropout, all augmentation; PyTorch only"
    yield "mirrors), an epoch of 50,000 images on one device; all but the line of 2020 measured, those of a batch size"
    yield "in turns, medians.\n"
    yield from (f"Left out, since it did not start: {line}\n" for line in record.get("left_out", ()))
    yield "| | settings | images/s | s an epoch | beside 43 s |\n|---|---|---|---|---|"
    for name, settings, rate, seconds in epochs(record):
        shown = f"**{name}**" if name == "cifar_fast" else name
        yield f"| {shown} | {_said(settings)} | {rate:,.0f} | {seconds:,.1f} | {ORIGINAL['seconds'] / seconds:.2f} × |"
    if record["ratios"]:
        yield "\n| images/s, turn by turn | settings | median | least to most |\n|---|---|---|---|"
        for entry in record["ratios"]:
            yield f"| {entry['name']} | {_said(entry.get('settings', {}))} | {_range(entry)} |"
    yield "\n![Seconds an epoch](report.png)"


def _step_breakdown(record):
    entry = record["results"][0]
    step = entry["seconds"]["step"]
    yield f"## A step ({_said(entry['settings'])})\n\n| part | ms | share |\n|---|---|---|"
    for name, seconds in entry["seconds"].items():
        yield f"| {name} | {1e3 * seconds:.2f} | {seconds / step:.1%} |"
    figures = entry["figures"]
    yield (f"\n{figures['gflops']:,.0f} GFLOP/s, {figures['share_of_matrix_peak']:.0%} of a matrix product's best "
           f"({figures['matrix_peak_gflops']:,.0f}); {figures['share_of_convolutions_alone']:.0%} of what the "
           "convolutions alone would allow.")


def _rates(title):
    def lines(record):
        yield f"## {title}\n\n| | settings | images/s | least to most |\n|---|---|---|---|"
        for entry in record["results"]:
            rate = entry["images_per_second"]
            yield (f"| {entry['name']} | {_said(entry['settings'])} | {rate['median']:,.0f} | "
                   f"{rate['min']:,.0f}–{rate['max']:,.0f} |")
        yield "\n| ratio | median | least to most |\n|---|---|---|"
        yield from (f"| {entry['name']} | {_range(entry)} |" for entry in record["ratios"])
    return lines


SECTIONS = {"epoch_time": _epoch_time, "step_breakdown": _step_breakdown,
            "input_pipeline": _rates("Batches alone"), "augment": _rates("Augmentation alone")}


def _command(record):
    """The record's command as others would type it: without the folders of this machine."""
    words = (word for word in shlex.split(record["command"]) if not word.startswith(("--out=", "--picture=")))
    return shlex.join("--data_dir=PATH" if word.startswith("--data_dir=") else word for word in words)


def _said(settings):
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in settings.items())


def _range(entry):
    median, low, high = (f"{entry[key]:,.{0 if entry[key] >= 100 else 2}f}" for key in harness.KEYS)
    return f"{median} × | {low}–{high}"


def picture(record, title):
    """The seconds an epoch as bars, bytes of a PNG; ours are dark, the reported one is hatched.

    record: `epoch_time`'s."""
    from matplotlib.figure import Figure

    rows = epochs(record)[::-1]
    figure = Figure(figsize=(10, 1.3 + 0.42 * len(rows)), layout="constrained")
    axis = figure.subplots()
    for place, (name, _, _, seconds) in enumerate(rows):
        ours, reported = name == "cifar_fast", name == ORIGINAL["name"]
        axis.barh(place, seconds, color="#1f5fa8" if ours else "#ffffff" if reported else "#b8c4d0",
                  edgecolor="#666666" if reported else "none", hatch="///" if reported else None)
        axis.annotate(f"{seconds:,.3g} s", (seconds, place), (5, 0), textcoords="offset points", va="center")
    axis.set_yticks(range(len(rows)), [name if name == ORIGINAL["name"] else f"{name}, {_said(settings)}"
                                       for name, settings, _, _ in rows], fontsize=8)
    axis.set_xlabel("seconds an epoch of 50,000 images")
    axis.set_title(title, loc="left")
    axis.spines[["top", "right"]].set_visible(False)
    axis.margins(x=0.15)
    return harness.png(figure)


def build(values):
    """Runs all with the flags `values` and writes the page. Returns the exit code."""
    folder, records, failures = Path(paths.local(values.out, "--out")), {}, {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out={folder}: {error.strerror}; name a folder that can be made") from None
    for name, arguments in commands(values).items():
        print(f"\n{name} {' '.join(arguments)}", flush=True)
        record, failure = run(name, arguments, folder)
        if failure:
            failures[name] = failure
            print(f"failed, {failure}", flush=True)
        else:
            records[name] = record
    if not records:
        raise UserError("no benchmark came to its end; the first said: " + next(iter(failures.values())))
    files.write_atomic(folder / "report.md", page(records, failures).encode())
    if "epoch_time" in records:
        title = f"cifar_fast on {device(records.values())}"
        files.write_atomic(folder / "report.png", picture(records["epoch_time"], title))
    print(f"\nwrote {folder / 'report.md'}")
    return 1 if failures else 0


def main(_):
    try:
        return build(flags.FLAGS)
    except UserError as error:
        print(f"report: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    define_flags()
    app.run(main)
