"""What lies at a path that should hold CIFAR: published files in a folder or an archive, an .npz, a TFDS folder, or any
labelled images of its classes."""
import contextlib
import stat

from cifar_fast.data import npz, packing, tfds
from cifar_fast.data.cifar import readers, search
from cifar_fast.data.cifar.archive import Files
from cifar_fast.data.cifar.published import ARCHIVES, CLASS_NAMES, FORMS, SOURCE
from cifar_fast.data.dataset import checked
from cifar_fast.data.labelled import images, tables
from cifar_fast.errors import UserError


def load(name, path, reading):
    """The `Dataset` of "cifar10", "cifar100" or "cifar100_coarse" at a `Path`, by an `images.Reading`. Raises
    UserError: nothing usable there, or damaged."""
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            return _from_folder(name, path, reading)
        if path.is_file():
            return _from_file(name, path, reading)
        problem = "is no folder or file"
    except (FileNotFoundError, NotADirectoryError):
        beside = _anywhere(name, path.absolute().parent)
        problem = f"does not exist{f', but {name} is at {beside.path}' if beside else ''}"
    except OSError as error:
        place = f" at {error.filename}" if error.filename and str(error.filename) != str(path) else ""
        raise UserError(f"--data_dir={path}: can't be read ({error.strerror}{place}); make it readable, or give "
                        "another place") from None
    raise UserError(f"--data_dir={path}: {problem}; give the folder or archive of {ARCHIVES[name]} from {SOURCE}, an "
                    ".npz or a TFDS folder")


def _from_folder(name, path, reading):
    if found := search.search(name, path):
        if found.form == "archive":
            return _from_file(name, found.path, reading)
        return tfds.load(name, found.path, reading=reading) if found.form == "tfds" else (
            _published(name, found.form, Files(found.path, name)))
    names = CLASS_NAMES[name].split()
    if any((path / folder).is_dir() for folder in ("train", names[0])) or any(
            any(path.glob(pattern)) for pattern in ("*.parquet", "*/*.parquet", "*.csv")):
        return images.load(path, reading, names)
    other = next(one for one in ARCHIVES if one != name)
    if _anywhere(other, path):
        raise UserError(f"--data_dir={path}: holds {other}, not {name}; give --dataset={other}, or another place")
    files = search.others(path)
    raise UserError(f"--data_dir={path}: holds none of {FORMS[name, 'python'].folder}, {FORMS[name, 'binary'].folder}, "
                    f"or a TFDS folder {name} that is prepared (the MATLAB form is not read); unpack {ARCHIVES[name]} "
                    f"from {SOURCE} there; an archive or .npz of another name is given by its own path"
                    f"{f', as --data_dir={path / files[0]}' if files else ''}")


def _from_file(name, path, reading):
    if (path.parent / FORMS[name, "python"].train[0]).is_file() and not search.ARCHIVE.search(path.name):
        raise UserError(f"--data_dir={path}: is one file of the set; give its folder, --data_dir={path.parent}")
    names = CLASS_NAMES[name].split()
    if path.suffix.lower() in tables.ENDINGS:
        return images.load(path, reading, names)
    if path.suffix.lower() == ".npz" or packing.kind(path) == ".zip" and npz.is_one(path):
        return checked(npz.read(path), names, f"{name}: .npz {path}")
    if images.in_archive(path, [FORMS[name, form].train[0] for form in ("python", "binary")]):
        return images.load(path, reading, names)
    files = Files(path, name)
    for form in ("python", "binary"):
        if FORMS[name, form].train[0] in files:
            return _published(name, form, files)
    holds = f", with {', '.join(files.foreign)}" if files.foreign else ""
    raise UserError(f"--data_dir={path}: an archive without {name}'s files in the Python or binary form{holds}; get "
                    f"{ARCHIVES[name]} from {SOURCE}")


def _anywhere(name, path):
    """The `search.Found` in a folder, or None, also where that can't be told."""
    with contextlib.suppress(OSError, UserError):
        return search.search(name, path)


def _published(name, form, files):
    *arrays, names = readers.read_form(name, form, files)
    return checked(arrays, names or CLASS_NAMES[name].split(),
                   f"{name}: published {form} form in {files.path}, {files.published()}")
