"""Strong and weak scaling over replicas, beside one device without any.

    python -m benchmarks.scaling --replicas=1,2,4,8 --out=scaling.json --picture=scaling.png

Strong: the global batch stays, and is shared out. Weak: each replica's batch stays, and the global one grows. Each
point is a process of its own (see `turns`), and they take turns. Without GPUs the replicas are logical devices that
share this machine's cores: what is measured then is the overhead of replicas, not a gain, and "efficiency" is one
device's time for the same images over theirs. On GPUs it is the rate over that of so many single ones.
"""
from absl import app, flags

from benchmarks.support import harness
from benchmarks.support.turns import Contestant, paced
from cifar_fast.system import files

FLAGS = flags.FLAGS
flags.DEFINE_string("dataset", "synthetic", "cifar10, cifar100 or synthetic")
flags.DEFINE_string("data_dir", None, "as for cifar_fast train; not needed for synthetic")
flags.DEFINE_list("replicas", ["1", "2", "4", "8"], "numbers of replicas")
flags.DEFINE_bool("logical_cpus", True, "replicas are logical devices of the CPU; --nological_cpus takes GPUs")
flags.DEFINE_integer("batch_size", 256, "strong scaling: the global batch", lower_bound=1)
flags.DEFINE_integer("weak_batch", 0, "weak scaling: a replica's batch; 0 leaves it out", lower_bound=0)
flags.DEFINE_string("precision", "auto", "auto, float32, bfloat16 or float16")
flags.DEFINE_integer("units", 12, "of the network", lower_bound=3)
flags.DEFINE_integer("filters", 32, "of the network", lower_bound=1)
flags.DEFINE_float("fraction", 0.02, "part of an epoch that a turn takes", lower_bound=1e-4, upper_bound=1)
flags.DEFINE_integer("repeats", 5, "turns of each", lower_bound=1)
flags.DEFINE_string("out", None, "write the record (JSON) here")
flags.DEFINE_string("picture", None, "write a picture (PNG) here")

EPOCH = 50_000  # images


def points():
    """(kind, replicas, flags of the child) of every point; replicas 0 is one device, all cores, no replicas."""
    common = {"dataset": FLAGS.dataset, "precision": FLAGS.precision, "units": FLAGS.units, "filters": FLAGS.filters,
              "test_examples": 100, "rotation_range": 30, "horizontal_flip": "true"}
    common |= {"data_dir": FLAGS.data_dir} if FLAGS.data_dir else {}
    kinds = {"strong": lambda count: FLAGS.batch_size}
    if FLAGS.weak_batch:
        kinds["weak"] = lambda count: FLAGS.weak_batch * max(count, 1)
    for kind, batch in kinds.items():
        for count in [0, *map(int, FLAGS.replicas)]:
            where = {"strategy": "mirrored", "num_devices": count} if count else {"strategy": "one_device"}
            where |= {"logical_cpus": count} if count and FLAGS.logical_cpus else {}
            size = {"train_examples": 4 * batch(count)} if FLAGS.dataset == "synthetic" and FLAGS.logical_cpus else {}
            yield kind, count, common | where | size | {"batch_size": batch(count)}


def main(_):
    running, turns = {}, {}
    for kind, count, settings in points():
        name = f"{kind}, {f'{count} replicas' if count else 'one device'}"
        try:
            contestant = Contestant(name, "benchmarks.peers.replicas", settings)
        except RuntimeError as error:  # such as more replicas than there are GPUs
            if not count:
                raise
            print(f"left out: {name}: {str(error).splitlines()[-1]}", flush=True)
            continue
        running[name] = kind, count, contestant
        steps = max(2, round(EPOCH * FLAGS.fraction / settings["batch_size"]))
        turns[name] = paced(contestant, steps)
    rates = harness.interleave(turns, FLAGS.repeats)
    results, ratios = [], []
    for name, (kind, count, contestant) in running.items():
        about, batch = contestant.about, contestant.settings["batch_size"]
        contestant.close()
        seconds = harness.summary([EPOCH / rate for rate in rates[name]])
        results.append(harness.result(
            name, rates[name], {"replicas": count, "batch_size": batch} | about["settings"], scaling=kind,
            seconds_per_epoch=seconds, all_reduce_seconds=about["all_reduce_seconds"],
            all_reduce_share=about["all_reduce_seconds"] / (seconds["median"] * batch / EPOCH),
            # A ring passes every number on twice, but for the one part that stays where it is.
            bytes_sent_a_replica_a_step=round(2 * (count - 1) / count * about["gradient_bytes"]) if count else 0))
        if count:
            ratio = harness.ratio(name, f"{kind}, one device", rates)
            times = 1 if FLAGS.logical_cpus else count
            ratios.append(ratio | {"efficiency": ratio["median"] / times})
    print(harness.table(results, ratios))
    print(f"\n{'':<22}{'s an epoch':>12}{'efficiency':>12}{'all-reduce':>14}{'of the step':>13}{'MB sent':>10}")
    efficiency = {r["name"].partition(" / ")[0]: r["efficiency"] for r in ratios}
    for entry in results:
        print(f"{entry['name']:<22}{entry['seconds_per_epoch']['median']:12.1f}"
              f"{efficiency.get(entry['name'], 1):12.1%}{1e3 * entry['all_reduce_seconds']:11.2f} ms"
              f"{entry['all_reduce_share']:13.2%}{entry['bytes_sent_a_replica_a_step'] / 1e6:10.1f}")
    said = (f"logical devices that share {harness.machine()['cores']} cores: overhead, not gain"
            if FLAGS.logical_cpus else "one GPU a replica")
    print(said)
    if FLAGS.out:
        harness.write(FLAGS.out, "scaling", results, ratios, fraction=FLAGS.fraction, replicas_are=said)
    if FLAGS.picture:
        picture(FLAGS.picture, results, efficiency, said)


def picture(path, results, efficiency, said):
    """A line a kind of scaling: efficiency over replicas, with the all-reduce's share of the step below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axis = figure.subplots()
    for kind, colour in (("strong", "#1f5fa8"), ("weak", "#44aa77")):
        entries = [e for e in results if e["scaling"] == kind and e["settings"]["replicas"]]
        if entries:
            counts = [e["settings"]["replicas"] for e in entries]
            axis.plot(counts, [efficiency[e["name"]] for e in entries], "o-", color=colour, label=f"{kind} scaling")
            axis.plot(counts, [e["all_reduce_share"] for e in entries], "o:", color=colour,
                      label="its all-reduce, share of a step")
    axis.axhline(1, color="#888888", linewidth=0.8)
    axis.set_xscale("log", base=2)
    axis.set_xticks(counts, map(str, counts))
    axis.set(xlabel="replicas", ylabel="efficiency", ylim=(0, None))
    axis.set_title(f"Scaling: {said}", loc="left")
    axis.legend(frameon=False, fontsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    files.write_atomic(path, harness.png(figure))


if __name__ == "__main__":
    app.run(main)
