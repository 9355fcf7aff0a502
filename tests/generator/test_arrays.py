"""`flow` against Keras's, batch by batch."""
import numpy as np
import pytest

from tests.support import generator_peers as peers

ATTRIBUTES = ("n", "batch_size", "seed", "shuffle", "batch_index", "total_batches_seen", "dtype", "data_format",
              "save_to_dir", "save_prefix", "save_format")


@peers.needs_kernel
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(100))
def test_flow_gives_keras_batches(seed):
    random = np.random.default_rng(seed)
    arguments = peers.random_arguments(random)
    theirs, ours = peers.pair(**arguments)
    count, channels = random.integers(7, 14), random.choice([1, 3, 4])
    shape = (count, *random.integers(5, 10, 2), channels)
    x = random.integers(0, 256, shape).astype(random.choice(["uint8", "uint8", "int32", "float32", "float64"]))
    if arguments["data_format"] == "channels_first":
        x = x.transpose(0, 3, 1, 2)
    if random.random() < 0.8:
        fit = {} if random.random() < 0.5 else {"augment": True, "rounds": 2, "seed": seed}
        for generator in (theirs, ours):
            generator.fit(x, **fit)
        for name in ("mean", "std"):
            np.testing.assert_allclose(np.float32(getattr(ours, name)), np.float32(getattr(theirs, name)), rtol=1e-4)
    y = random.integers(0, 3, count)
    options = dict(y=random.choice([None, 1]) and y, batch_size=int(random.integers(1, 9)),
                   shuffle=bool(random.integers(2)), seed=int(random.integers(100)) if random.random() < 0.7 else None)
    if options["y"] is not None and random.random() < 0.4:
        options["sample_weight"] = random.random(count)
    elif random.random() < 0.6:  # Keras itself would leave the weights of a subset whole
        options |= {"subset": str(random.choice(["training", "validation"])), "ignore_class_split": True}
    others = [x, (x, y * 2), (x, [y, random.random((count, 2))])][random.integers(3)]
    flows = [generator.flow(others, **options) for generator in (theirs, ours)]
    for name in ATTRIBUTES:
        assert getattr(flows[0], name) == getattr(flows[1], name)
    assert len(flows[0]) == len(flows[1])
    batches = []
    by_index = random.random() < 0.5
    for flow in flows:
        np.random.seed(seed)
        batches.append([])
        for _ in range(3):
            batches[-1] += [flow[i] if by_index else next(flow) for i in range(len(flow))]
            if by_index:
                flow.on_epoch_end()
    scale = 1 if not arguments.get("samplewise_std_normalization") else 1e-2
    for a, b in zip(*batches, strict=True):
        peers.same(a, b, scale)
    np.testing.assert_array_equal(flows[0].index_array, flows[1].index_array)
    assert flows[0].total_batches_seen == flows[1].total_batches_seen
