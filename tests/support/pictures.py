"""Labelled images in every form that `--dataset=images` takes."""
import csv
import io
import json
import pickle
import shutil
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image


def drawn(count, shape=(8, 9, 3), classes=3, seed=0):
    """Images uint8 [count, *shape] and labels int [count] in the order of the classes, each of which is there."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, *shape), dtype=np.uint8), np.sort(np.arange(count) % classes)


def encoded(image, form="png"):
    """The bytes of an image's file."""
    stream = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(stream, form)
    return stream.getvalue()


def folders(root, splits, names):
    """Class folders of PNG. splits: {"train": (images, labels), …}, labels sorted; "" for no split's folder."""
    for split, (images, labels) in splits.items():
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            path = root / split / names[label] / f"{number:05}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(image))
    return root


def zipped(root):
    """A folder's content in a .zip beside it."""
    return Path(shutil.make_archive(str(root), "zip", root))


def tarred(root, packing="gz"):
    """A folder in a .tar.gz beside it, names and all."""
    path = Path(f"{root}.tar.{packing}")
    with tarfile.open(path, f"w:{packing}") as tar:
        tar.add(root, root.name)
    return path


def tables(root, names, columns=("file", "label")):
    """A CSV beside the splits of `folders`, one each, and no labels but in it; returns the folder."""
    for split in [path for path in root.iterdir() if path.is_dir()]:
        rows = sorted((names.index(path.parent.name), path) for path in split.rglob("*.png"))
        with open(root / f"{split.name}.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows((path.relative_to(root).as_posix(), path.parent.name) for _, path in rows)
    return root


def parquet(root, splits, names, image="img", label="label", shards=2):
    """As the Hugging Face hub has it: a struct of bytes and path, numbers of classes, and their names beside."""
    import pyarrow
    import pyarrow.parquet
    features = {image: {"_type": "Image"}, label: {"names": list(names), "_type": "ClassLabel"}}
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    root.mkdir(parents=True, exist_ok=True)
    for split, (images, labels) in splits.items():
        for shard, rows in enumerate(np.array_split(np.arange(len(labels)), shards)):
            table = pyarrow.table({
                image: pyarrow.array([{"bytes": encoded(images[row]), "path": f"{row}.png"} for row in rows]),
                label: pyarrow.array([int(labels[row]) for row in rows], pyarrow.int64())})
            pyarrow.parquet.write_table(table.replace_schema_metadata(metadata),
                                        root / f"{split}-{shard:05}-of-{shards:05}.parquet", row_group_size=7)
    return root


def published(root, splits):
    """CIFAR-10's Python form in `root`; its parent is returned."""
    (pixels, labels), test = splits["train"], splits["test"]
    parts = {f"data_batch_{i + 1}": (pixels[rows], labels[rows])
             for i, rows in enumerate(np.array_split(np.arange(len(labels)), 5))}
    return _pickled(root, {name: {b"data": _planes(p), b"labels": part.tolist()}
                           for name, (p, part) in (parts | {"test_batch": test}).items()})


def coarse(root, pixels, labels, form):
    """CIFAR-100's Python or binary form, the same images for training and test, all of fine label 0."""
    if form == "python":
        batch = {b"data": _planes(pixels), b"fine_labels": [0] * len(labels), b"coarse_labels": labels.tolist()}
        return _pickled(root, {"train": batch, "test": batch})
    records = np.concatenate([labels[:, None], np.zeros_like(labels)[:, None], _planes(pixels)], 1).astype(np.uint8)
    root.mkdir(parents=True)
    for name in ("train.bin", "test.bin"):
        (root / name).write_bytes(records.tobytes())
    return root.parent


def _planes(pixels):
    return pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)


def _pickled(root, batches):
    root.mkdir(parents=True)
    for name, batch in batches.items():
        (root / name).write_bytes(pickle.dumps(batch, protocol=3))
    return root.parent
