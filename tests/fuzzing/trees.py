"""Folders in which CIFAR may lie, or almost."""
from tests.fuzzing.mutation import mutated
from tests.support.files_of_cifar import content, packed, zipped

FOLDERS = ["", "a/", "b/", "cifar-10-batches-py/", "cifar-10-batches-bin/", "cifar-10-batches-py-target/", "cifar10/",
           "3.0.2/", ".hidden/", "\u00e4 \n/", "--x/", "~/", "gs:/", "cifar-100-python/"]
FILES = ["cifar-10-python.tar.gz", "cifar10.npz", "CIFAR-10.ZIP", "cifar-10-binary.tar", "other.npz", "it.tgz", "train",
         "test", "data_batch_1", "test_batch.bin", "._cifar-10-python.tar.gz", "cifar-10-matlab.tar.gz", "x" * 200]


def of_tree(rng):
    """Whole sets, archives of them and single files, up to five folders deep."""
    tree, python, binary = {}, content("cifar10", "python", images=1)[0], content("cifar10", "binary", images=1)[0]
    for _ in range(rng.integers(1, 5)):
        place = "tree/" + "".join(FOLDERS[rng.integers(len(FOLDERS))] for _ in range(rng.integers(0, 5)))
        kind = rng.integers(4)
        if kind < 2:
            files = (python, binary)[kind]
            tree |= {place + name: data for name, data in files.items() if rng.random() < 0.97}
        else:
            data = (packed(python), zipped(binary), b"", python["test_batch"])[rng.integers(4)]
            name = place + FILES[rng.integers(len(FILES))]
            tree[name] = data if rng.random() < 0.7 else mutated(data, rng)
    # What is a file in one place can't be a folder in another.
    return {name: data for name, data in tree.items() if not any(other.startswith(f"{name}/") for other in tree)} or {
        "tree/x": b""}
