"""Almost the right place: what is found near a folder, and what is named in place of a guess."""
import pytest

from cifar_fast.data import sources
from cifar_fast.data.cifar import search
from cifar_fast.errors import UserError
from tests.support.files_of_cifar import FORMS, content, packed, write_folder, zipped


def put(place, form="python", dataset="cifar10"):
    files = content(dataset, form)[0]
    return write_folder(place, files)


@pytest.mark.parametrize("inside", [
    "", "cifar-10-batches-py", "cifar-10-batches-py/cifar-10-batches-py",
    "cifar-10-batches-py-target/cifar-10-batches-py", "a", "a/b"])
@pytest.mark.parametrize("form", ["python", "binary"])
def test_up_to_two_folders_below(inside, form, tmp_path):
    place = put(tmp_path / inside, form)
    (tmp_path / ".hidden").mkdir()
    put(tmp_path / ".hidden" / "x")
    assert search.search("cifar10", tmp_path) == (form, place)
    assert f"published {form} form in {place}" in sources.load("cifar10", tmp_path).origin


def test_three_folders_below_is_too_far(tmp_path):
    put(tmp_path / "a" / "b" / "c")
    assert search.search("cifar10", tmp_path) is None


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
def test_keras_folder_with_both(dataset, tmp_path):
    for name in ("cifar10", "cifar100"):
        folder = FORMS[name, "python"]
        put(tmp_path / f"{folder}-target" / folder, dataset=name)
    assert dataset == sources.load(dataset, tmp_path).origin.split(":")[0]
    assert search.search(dataset, tmp_path).path.name == FORMS[dataset, "python"]


@pytest.mark.parametrize("name", ["cifar-10-python.tar.gz", "cifar-10-batches-py.TAR.GZ", "CIFAR10.npz", "cifar_10.zip",
                                  "sub/cifar-10-binary.tar.bz2"])
def test_an_archive_that_bears_the_name(name, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / name).write_bytes(b"")
    for other in ("cifar-100-python.tar.gz", "cifar-10-matlab.tar.gz", "mnist.npz", "._cifar-10-python.tar.gz"):
        (tmp_path / other).write_bytes(b"")
    assert search.search("cifar10", tmp_path) == ("archive", tmp_path / name)
    assert search.search("cifar100", tmp_path) == ("archive", tmp_path / "cifar-100-python.tar.gz")


@pytest.mark.parametrize("name, data", [("cifar-10-python.tar.gz", packed), ("cifar10.zip", zipped)])
def test_a_folder_that_holds_only_an_archive_is_read(name, data, tmp_path):
    (tmp_path / name).write_bytes(data(content("cifar10", "python")[0]))
    assert str(tmp_path / name) in sources.load("cifar10", tmp_path).origin


def test_what_counts_first(tmp_path):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"")
    prepared = tmp_path / "tensorflow_datasets" / "cifar10" / "3.0.2"
    prepared.mkdir(parents=True)
    (prepared / "dataset_info.json").write_text("{}")
    assert search.search("cifar10", tmp_path) == ("tfds", prepared)
    deep = put(tmp_path / "a" / "b")
    assert search.search("cifar10", tmp_path) == ("python", deep)
    binary = put(tmp_path / "c", "binary")
    assert search.search("cifar10", tmp_path) == ("binary", binary)
    python = put(tmp_path / "z")
    assert search.search("cifar10", tmp_path) == ("python", python)
    published = put(tmp_path / "cifar-10-batches-py")
    assert search.search("cifar10", tmp_path) == ("python", published)


def test_several_are_named(tmp_path):
    places = [put(tmp_path / name) for name in ("a", "b")]
    with pytest.raises(UserError, match=f"holds cifar10 more than once: {places[0]}, {places[1]}; give one of them"):
        sources.load("cifar10", tmp_path)
    for name in ("cifar100.npz", "cifar-100-python.tgz"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(UserError, match="more than once: .*cifar-100-python.tgz, .*cifar100.npz"):
        sources.load("cifar100", tmp_path)


def test_folders_of_many_entries_end_the_search_early(tmp_path, monkeypatch):
    monkeypatch.setattr(search, "ENTRIES", 5)
    monkeypatch.setattr(search, "FOLDERS", 7)
    for outer in "abcdefgh":
        for inner in "abcdefgh":
            (tmp_path / outer / inner).mkdir(parents=True)
    seen = [folder for level in search._levels(tmp_path) for folder, _ in level]
    assert len(seen) == 7
    assert search.search("cifar10", tmp_path) is None
    published = put(tmp_path / "cifar-10-batches-py")  # where it should be it is found in any case
    assert search.search("cifar10", tmp_path) == ("python", published)
