"""Small data sets in CIFAR's published forms, for the tests of the readers."""
import io
import pickle
import tarfile
import zipfile

import numpy as np

FORMS = {("cifar10", "python"): "cifar-10-batches-py", ("cifar10", "binary"): "cifar-10-batches-bin",
         ("cifar100", "python"): "cifar-100-python", ("cifar100", "binary"): "cifar-100-binary"}


def content(dataset, form, images=4, seed=0):
    """{file name: bytes} of a data set with `images` images a file, and the images and labels in order."""
    rng, classes = np.random.default_rng(seed), 10 if dataset == "cifar10" else 100
    files, pixels, labels = {}, [], []
    ten = dataset == "cifar10"
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"] if ten else ["train", "test"]
    for name in names:
        data = rng.integers(0, 256, (images, 3072), dtype=np.uint8)
        fine = rng.integers(0, classes, images)
        pixels.append(data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        labels.append(fine)
        if form == "python":
            batch = {b"data": data, b"labels" if ten else b"fine_labels": fine.tolist()}
            files[name] = pickle.dumps(batch if ten else batch | {b"coarse_labels": [0] * images}, protocol=3)
        else:
            head = fine[:, None].astype(np.uint8)
            head = head if ten else np.concatenate([np.zeros_like(head), head], 1)
            files[f"{name}.bin"] = np.concatenate([head, data], 1).tobytes()
    return files, pixels, labels


def write_folder(path, files):
    path.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (path / name).write_bytes(data)
    return path


def packed(files, folder="cifar", mode="w:gz"):
    """The bytes of a tar archive; mode as tarfile's."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def zipped(files, folder="cifar", packing=zipfile.ZIP_DEFLATED):
    """The bytes of a .zip."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", packing) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(f"{folder}/{name}"), data, packing)
    return stream.getvalue()
