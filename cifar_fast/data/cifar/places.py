"""What lies at a path that should hold CIFAR: published files in a folder or an archive, an .npz, a TFDS folder."""
from cifar_fast.data import npz, tfds
from cifar_fast.data.cifar import readers
from cifar_fast.data.cifar.archive import Files
from cifar_fast.data.cifar.published import ARCHIVES, CLASS_NAMES, FORMS, SOURCE
from cifar_fast.data.dataset import checked
from cifar_fast.errors import UserError


def load(name, path):
    """The `Dataset` of "cifar10" or "cifar100" at a `Path`. Raises UserError: nothing usable there, or damaged."""
    try:
        if path.is_dir():
            return _from_folder(name, path)
        if path.is_file():
            return _from_file(name, path)
        raise UserError(f"--data_dir={path}: {'is no folder or file' if path.exists() else 'does not exist'}; give the "
                        f"folder or archive of {ARCHIVES[name]} from {SOURCE}, an .npz or a TFDS folder")
    except OSError as error:
        raise UserError(f"--data_dir={path}: can't be read ({error.strerror})") from None


def _from_folder(name, path):
    for form in ("python", "binary"):
        known = FORMS[name, form]
        for place in (path, path / known.folder):
            if (place / known.train[0]).is_file():
                return _published(name, form, Files(place, name))
    if prepared := tfds.prepared_in(name, path):
        return tfds.load(name, prepared)
    raise UserError(f"--data_dir={path}: holds none of {FORMS[name, 'python'].folder}, "
                    f"{FORMS[name, 'binary'].folder}, or a TFDS folder {name} that is prepared; "
                    f"unpack {ARCHIVES[name]} from {SOURCE} there; an .npz is given by its own path")


def _from_file(name, path):
    if path.suffix == ".npz":
        return checked(npz.read(path), CLASS_NAMES[name].split(), f"{name}: .npz {path}")
    files = Files(path, name)
    for form in ("python", "binary"):
        if FORMS[name, form].train[0] in files:
            return _published(name, form, files)
    raise UserError(f"--data_dir={path}: an archive without {name}'s files; get {ARCHIVES[name]} from {SOURCE}")


def _published(name, form, files):
    *arrays, names = readers.read_form(name, form, files)
    return checked(arrays, names or CLASS_NAMES[name].split(),
                   f"{name}: published {form} form in {files.path}, {files.published()}")
