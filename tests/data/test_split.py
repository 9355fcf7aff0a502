"""Which images train and which are evaluated."""
import numpy as np
import pytest

from cifar_fast.data import sources, split
from cifar_fast.data.dataset import Dataset
from cifar_fast.errors import UserError
from cifar_fast.runs.directory import workdir
from cifar_fast.training import trainer
from tests.support import tiny
from tests.support.files_of_cifar import content, write_folder


def test_validation_takes_the_last_training_images(tmp_path):
    files, pixels, labels = content("cifar10", "python", images=4)
    write_folder(tmp_path / "cifar-10-batches-py", files)
    data = sources.load("cifar10", str(tmp_path), validation_examples=5, validation_split="last", train_examples=10,
                        test_examples=3)
    images = np.concatenate(pixels[:-1])
    np.testing.assert_array_equal(data.train_images, images[:10])
    np.testing.assert_array_equal(data.test_images, images[15:18])
    np.testing.assert_array_equal(data.train_labels, np.concatenate(labels[:-1])[:10])
    np.testing.assert_array_equal(data.test_labels, np.concatenate(labels[:-1])[15:18])
    assert "held out" in data.origin


@pytest.mark.parametrize("options, named", [
    ({"validation_examples": 20}, "--validation_examples=20"), ({"train_examples": 21}, "--train_examples=21"),
    ({"test_examples": 5}, "--test_examples=5")])
def test_more_than_there_is_is_refused(options, named, tmp_path):
    write_folder(tmp_path / "cifar-10-batches-py", content("cifar10", "python")[0])
    with pytest.raises(UserError, match=named):
        sources.load("cifar10", str(tmp_path), **options)


def data_of(labels):
    """A `Dataset` whose images say by their first pixels which they are."""
    labels = np.array(labels, np.int32)
    images = np.zeros((len(labels), 4, 4, 3), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.arange(len(labels)) % 256, np.arange(len(labels)) // 256
    return Dataset(images, labels, images[:1], labels[:1], tuple(f"class{i}" for i in range(1 + labels.max())), "mine")


def numbers(images):
    return images[:, 0, 0, 0] + 256 * images[:, 0, 0, 1].astype(int)


SORTED = np.repeat(np.arange(5), (200, 100, 50, 10, 2))


@pytest.mark.parametrize("labels", [SORTED, np.random.default_rng(0).permutation(SORTED)])
@pytest.mark.parametrize("count", [5, 40, 100, 357])
def test_a_stratified_split_has_each_class_share_on_both_sides(labels, count):
    data = data_of(labels)
    one, again, other = (split.held_out(data, count, "stratified", seed) for seed in (3, 3, 4))
    assert len(one.test_images) == len(one.test_labels) == count
    train, test = numbers(one.train_images), numbers(one.test_images)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(len(labels)))
    for part, places in (("train", train), ("test", test)):
        assert (np.diff(places) > 0).all()
        np.testing.assert_array_equal(getattr(one, f"{part}_labels"), labels[places])
    np.testing.assert_array_equal(test, numbers(again.test_images))
    assert (test != numbers(other.test_images)).any()
    sizes, held = np.bincount(labels), np.bincount(one.test_labels, minlength=5)
    assert (held >= 1).all() and (held < sizes).all()
    # a class's share is met to one image, but for what the smallest classes need to be on both sides
    assert (np.abs(held - count * sizes / len(labels)) <= (2 if count in (5, 357) else 1) + 1e-9).all()
    assert f"{count} training images, drawn by seed 3 with each class's share, held out" in one.origin


def test_the_draw_is_the_same_in_every_version():
    np.testing.assert_array_equal(split.drawn(SORTED, 12, 7, "abcde"),
                                  [14, 28, 81, 138, 155, 187, 237, 240, 298, 336, 359, 360])


def test_sorted_data_are_not_held_out_by_their_last_classes():
    data = data_of(SORTED)
    with pytest.raises(UserError, match="--validation_examples=40: with the last images held out, none of class3 would "
                                        "train .2 such classes.; take --validation_split=stratified"):
        split.held_out(data, 40, "auto", 0)
    with pytest.raises(UserError, match="none of class0 would be held out"):
        split.held_out(data_of([1, 1, 0, 0, 1, 1, 1]), 2, "auto", 0)
    np.testing.assert_array_equal(numbers(split.held_out(data, 40, "last", 0).test_images), np.arange(322, 362))
    mixed = data_of(np.tile(np.arange(5), 20))
    np.testing.assert_array_equal(numbers(split.held_out(mixed, 40, "auto", 0).test_images), np.arange(60, 100))


@pytest.mark.parametrize("labels, count, named", [
    ([0, 0, 0, 1, 1, 2], 3, "there is one training image of class2"),
    ([0, 0, 0, 1, 1, 2, 2], 2, "hold out 3 to 4"), ([0, 0, 0, 1, 1, 2, 2], 5, "hold out 3 to 4"),
    ([0, 1], 2, "there are 2 training images")])
def test_splits_that_can_have_no_class_on_both_sides(labels, count, named):
    with pytest.raises(UserError, match=named):
        split.held_out(data_of(labels), count, "stratified", 0)


def test_first_images_of_sorted_data_say_how_many_classes_they_have():
    assert split.first(data_of(SORTED), 250, None).origin.endswith("test images used, with 2 of 5 classes")
    assert split.first(data_of(SORTED), 361, None).origin.endswith("test images used")


def test_the_flag_and_runs_of_before_it(tmp_path):
    config = tiny.config(validation_examples=100, validation_split="stratified", seed=5)
    data, whole = trainer.load_data(config), trainer.load_data(tiny.config(train_examples=180, seed=5))
    places = split.drawn(whole.train_labels, 100, 5, whole.class_names)
    np.testing.assert_array_equal(data.test_images, whole.train_images[places[:40]])
    for without, expected in ((("validation_split",), "last"), ((), "auto")):
        with workdir.Workdir(tmp_path / expected) as place:
            place.open_config(tiny.config(validation_examples=3).flag_lines(without), ())
        assert workdir.config_of_run(tmp_path / expected).validation_split == expected
