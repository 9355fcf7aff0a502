"""CIFAR where other programs leave it: found without being named, and said."""
import pytest

from cifar_fast.data import sources
from cifar_fast.data.cifar import finding
from cifar_fast.data.cifar.published import CLASS_NAMES
from cifar_fast.data.labelled.images import Reading
from tests.support import pictures
from tests.support.files_of_cifar import content, packed, write_folder


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home that is the working directory, too."""
    for variable in ("TFDS_DATA_DIR", "KERAS_HOME", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hub(root, name):
    pixels, labels = pictures.drawn(20, (32, 32, 3), 10)
    label = {"cifar10": "label", "cifar100": "fine_label"}[name]
    pictures.parquet(root / f"datasets--uoft-cs--{name}" / "snapshots" / "abc" / "plain_text",
                     {"train": (pixels, labels), "test": (pixels, labels)}, CLASS_NAMES[name].split(), label=label)


PLACES = {
    "Keras": lambda home: write_folder(home / ".keras/datasets/cifar-10-batches-py", content("cifar10", "python")[0]),
    "Keras 3": lambda home: write_folder(home / ".keras/datasets/cifar-10-batches-py-target/cifar-10-batches-py",
                                         content("cifar10", "python")[0]),
    "torchvision": lambda home: write_folder(home / "data/cifar-10-batches-py", content("cifar10", "python")[0]),
    "torchvision's archive": lambda home: write_folder(
        home / "data", {"cifar-10-python.tar.gz": packed(content("cifar10", "python")[0])}),
    "the Hugging Face hub's client": lambda home: hub(home / ".cache/huggingface/hub", "cifar10")}


@pytest.mark.parametrize("program", PLACES)
def test_cifar_is_found_and_where_is_said(program, home):
    assert not list(finding.found("cifar10"))
    PLACES[program](home)
    data = sources.load("cifar10")
    assert f"left there by {program.removesuffix(' 3').removesuffix(chr(39) + 's archive')}" in data.origin
    assert len(data.train_images) == 20 and data.class_names == tuple(CLASS_NAMES["cifar10"].split())
    assert not list(finding.found("cifar100"))


@pytest.mark.parametrize("variable, place", [("HF_HOME", "x/hub"), ("HF_HUB_CACHE", "x")])
def test_caches_of_the_hub_that_lie_elsewhere(variable, place, home, monkeypatch):
    hub(home / place, "cifar100")
    monkeypatch.setenv(variable, str(home / "x"))
    ((program, path),) = finding.found("cifar100")
    assert "Hugging Face" in program and path.name == "plain_text"


def test_what_is_half_there_is_passed_over(home):
    files = content("cifar10", "python")[0]
    files.pop("test_batch")
    write_folder(home / "data" / "cifar-10-batches-py", files)
    write_folder(home / ".keras/datasets/cifar-10-batches-py", content("cifar10", "python")[0])
    ((program, _),) = finding.found("cifar10")
    assert program == "Keras"


def test_the_first_place_counts(home):
    PLACES["Keras"](home)
    PLACES["torchvision"](home)
    assert finding.load("cifar10", Reading()).origin.endswith("left there by Keras")
