"""Labelled images of every form, damaged: files, folders, archives, tables, Parquet and .npz, whose names begin with
"pictures"; and tables and Parquet as predict takes them, without labels, whose names begin with "new"."""
import functools
import io
import json
import struct
import tarfile
import zipfile

import numpy as np
from PIL import Image

from tests.fuzzing.mutation import mutated

FORMATS = {"png": "PNG", "jpg": "JPEG", "bmp": "BMP", "gif": "GIF", "webp": "WEBP", "tif": "TIFF"}
CLASSES = ["a", "b", "c d", "\u00e4", "train", "10"]
SIDES = [0, 1, 4, 8, 255, 30_000, 65_535, 2**31 - 1, 2**32 - 1]
LABELS = ["a", "b", "0", "1", "", "-1", "1e999", "x" * 1200, "\u202e", "=1+1"]
PATHS = ["0.png", "1.png", "2.png", "3.png", "../x", "/etc/passwd", "x\\0.png", "0", "", "a/../../../etc/passwd",
         "0.png\0", "http://x/y"]


@functools.cache
def image(form, seed=0, mode="RGB"):
    """The bytes of a small image's file."""
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 4), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).convert("RGB" if mode == "RGBA" and form == "JPEG" else mode).save(stream, form)
    return stream.getvalue()


def _tree(rng, ending="png", count=4):
    return {f"{CLASSES[i % 2]}/{i // 2}.{ending}": image(FORMATS[ending], i) for i in range(count)}


def of_picture(rng):
    """Damaged files of every format, and files of one that are called as another."""
    ending = str(rng.choice(list(FORMATS)))
    form, mode = FORMATS[ending], str(rng.choice(["RGB", "L", "RGBA"] if ending in ("png", "webp", "tif") else ["RGB"]))
    data = image(form, int(rng.integers(5)), mode)
    if rng.random() < 0.3:  # another size in the header
        place = {"PNG": 16, "GIF": 6, "BMP": 18, "WEBP": 24, "JPEG": data.find(b"\xff\xc0") + 5, "TIFF": 10}[form]
        side = int(rng.choice(SIDES))
        data = data[:place] + struct.pack(">I" if form == "PNG" else "<I", side % 2**32) + data[place + 4:]
    name = f"pictures/a/0.{ending if rng.random() < 0.8 else rng.choice(list(FORMATS))}"
    return {name: mutated(data, rng, rng.choice([0.1, 1])), "pictures/a/1.png": image("PNG", 2)} | {
            f"pictures/b/{i}.png": image("PNG", i) for i in range(2)}


def of_folders(rng):
    """Whole images in folders of odd names and depths."""
    tree = {}
    for _ in range(rng.integers(1, 12)):
        odd = ["train", "test", "val", "valid", ".x", "__MACOSX", "~", "--x"] if rng.random() < 0.2 else []
        depth = int(rng.integers(0, 5)) if odd else 1
        folders = [str(rng.choice([*odd, *CLASSES[:3]])) for _ in range(depth)]
        name = str(rng.choice(["0.png", "1.PNG", "2.png", "x.jpeg", ".png", "Thumbs.db", "x.txt", "x.csv", "\n.png"]))
        tree["/".join(["pictures", *folders, name])] = image("PNG", len(tree)) if rng.random() < 0.98 else b""
    return {name: data for name, data in tree.items() if not any(other.startswith(f"{name}/") for other in tree)} or {
        "pictures/x": b""}


def of_pictured_zip(rng):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, data in _tree(rng).items():
            prefix = "" if rng.random() < 0.9 else str(rng.choice(["./", "../", "/", "x/"]))
            file.writestr(zipfile.ZipInfo(prefix + name), data, int(rng.choice([0, 8] * 9 + [12])))
    whole = stream.getvalue()
    return {"pictures.zip": mutated(whole, rng) if rng.random() < 0.8 else whole}


def of_pictured_tar(rng):
    stream, mode = io.BytesIO(), str(rng.choice(["w", "w:gz", "w:bz2", "w:xz"]))
    with tarfile.open(fileobj=stream, mode=mode, format=int(rng.integers(0, 3))) as tar:
        for name, data in _tree(rng).items():
            prefix = "" if rng.random() < 0.9 else str(rng.choice(["./", "../", "/etc/", "x" * 150 + "/"]))
            info = tarfile.TarInfo(prefix + name)
            info.size = len(data)
            if rng.random() < 0.05:
                info.type = bytes([rng.choice(list(b"0123456789gxLKSXDV\0"))])
                info.linkname = "/etc/passwd"
            tar.addfile(info, io.BytesIO(data))
    whole = stream.getvalue()
    return {"pictures.tar": mutated(whole, rng, rng.choice([0.1, 1])) if rng.random() < 0.8 else whole}


def of_table(rng):
    """A table of good and odd rows, whole or damaged."""
    rows = [("file", "label")] + [(str(rng.choice(PATHS[:4] if rng.random() < 0.8 else PATHS)), str(rng.choice(LABELS)))
                                  for _ in range(rng.integers(0, 4))]
    if rng.random() < 0.5:
        labels = rng.choice(LABELS, 2)
        rows[1:] = [(path, str(label)) for path, label in zip(PATHS[:4], [*labels, *labels], strict=True)]
    comma = str(rng.choice([",", ";", "\t"]))
    text = "\n".join(comma.join(row) for row in rows).encode(errors="replace")
    text = mutated(text, rng) if rng.random() < 0.6 else text
    return {f"pictures/labels.{rng.choice(['csv', 'csv', 'tsv', 'CSV'])}": text} | {
            f"pictures/{i}.png": image("PNG", i) for i in range(4)}


@functools.cache
def _parquet(kind, packing):
    import pyarrow
    import pyarrow.parquet
    names = {b"huggingface": json.dumps({"info": {"features": {"label": {
        "_type": "ClassLabel", "names": ["a", "b"]}}}}).encode()}
    files = [image("PNG", i) for i in range(6)]
    images = {"struct": pyarrow.array([{"bytes": file, "path": "x"} for file in files]), "bytes": pyarrow.array(files),
              "large": pyarrow.array(files, pyarrow.large_binary())}[kind]
    table = pyarrow.table({"image": images, "label": pyarrow.array([0, 1] * 3)}).replace_schema_metadata(names)
    stream = io.BytesIO()
    pyarrow.parquet.write_table(table, stream, row_group_size=4, compression=packing)
    return stream.getvalue()


def of_parquet(rng):
    data = _parquet(str(rng.choice(["struct", "bytes", "large"])), str(rng.choice(["snappy", "none", "zstd", "gzip"])))
    if rng.random() < 0.5:  # the footer, which says where everything is
        return {"pictures.parquet": data[:-700] + mutated(data[-700:-8], rng) + data[-8:]}
    return {"pictures.parquet": mutated(data, rng)}


def of_labelled_npz(rng):
    arrays = {"x_train": rng.integers(0, 256, (4, 5, 5, 3), np.uint8), "class_names": np.array(CLASSES[:2]),
              "y_train": np.array(LABELS)[rng.integers(0, 10, 4)]}
    if rng.random() < 0.5:
        arrays["y_train"] = rng.integers(0, 2, 4)
    if rng.random() < 0.5:
        arrays |= {"x_test": arrays["x_train"], "y_test": arrays["y_train"]}
    for name in [name for name in arrays if rng.random() < 0.1]:
        odd = arrays[name][:0], arrays[name][..., None], np.array([b"a", b"\xff", b"", b"0"]), arrays[name][0]
        arrays[name] = odd[rng.integers(4)]
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return {"pictures.npz": mutated(stream.getvalue(), rng) if rng.random() < 0.6 else stream.getvalue()}


def of_new_table(rng):
    """The same tables, or of one column alone, beside the same images."""
    files = {name.replace("pictures", "new"): data for name, data in of_table(rng).items()}
    name = next(iter(files))
    if rng.random() < 0.5:
        files[name] = b"\n".join(line[:int(rng.integers(8))] for line in files[name].split(b"\n"))
    return files


def of_new_parquet(rng):
    (data,) = of_parquet(rng).values()
    return {"new.parquet": data}


def whole():
    """Good inputs, one after another, that between them use everything."""
    yield {f"pictures/{label}/{i}.{ending}": image(form, i)
           for label in "ab" for i, (ending, form) in enumerate(FORMATS.items())}
    yield {"pictures.parquet": _parquet("struct", "snappy")}
    yield {"pictures/a/0.png": b"none", "pictures/b/0.png": b"none"}


KINDS = {"picture": of_picture, "folders": of_folders, "pictured_zip": of_pictured_zip, "pictured_tar": of_pictured_tar,
         "table": of_table, "parquet": of_parquet, "labelled_npz": of_labelled_npz, "new_table": of_new_table,
         "new_parquet": of_new_parquet}
