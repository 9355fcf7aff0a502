"""What CIFAR's authors publish: where, the files of each form, their checksums, and the names of the classes."""
from typing import NamedTuple

SOURCE = ("https://www.cs.toronto.edu/~kriz/cifar.html (in 2026 users report up to an hour), or its Parquet files "
          "from https://huggingface.co/datasets/uoft-cs/cifar10 or …/cifar100 (a few minutes)")
ARCHIVES = {"cifar10": "cifar-10-python.tar.gz", "cifar100": "cifar-100-python.tar.gz"}
ARCHIVE_MD5 = {  # MD5 sums that the authors publish of the archives
    "c58f30108f718f92721af3b95e74349a", "eb9058c3a382ffc7106e4002c42a8d85", "c32a1d4ab5d03f1284b67883e8d87530",
    "03b5dce01913d631647c71ecec9e9cb8"}
FILE_MD5 = {  # and those of the files in the Python form
    "data_batch_1": "c99cafc152244af753f735de768cd75f", "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751", "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb", "test_batch": "40351d587109b95175f43aff81a1287e",
    "batches.meta": "5ff9c542aee3614f3951f8cda6e48888", "train": "16019d7e3df5f24257cddd939b257f8d",
    "test": "f0ef6b0ae62326f3e7ffdfab6717acfc", "meta": "7973b15100ade9c7d40fb424638fde48"}
# "cifar100_coarse" is CIFAR-100 with its 20 labels of a coarser kind.
ARCHIVES["cifar100_coarse"] = ARCHIVES["cifar100"]
CLASSES = {"cifar10": 10, "cifar100": 100, "cifar100_coarse": 20}
LABELS = {"cifar10": "label", "cifar100": "fine_label", "cifar100_coarse": "coarse_label"}
CLASS_NAMES = {
    "cifar10": "airplane automobile bird cat deer dog frog horse ship truck",
    "cifar100": """
        apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel
        can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur
        dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion
        lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter
        palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road
        rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower
        sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
        willow_tree wolf woman worm""",
    "cifar100_coarse": """
        aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices
        household_furniture insects large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes
        large_omnivores_and_herbivores medium_mammals non-insect_invertebrates people reptiles small_mammals trees
        vehicles_1 vehicles_2"""}


class Form(NamedTuple):
    """The files of a published form, in `folder` of its archive; `names` has those of the classes."""

    folder: str
    train: list[str]
    test: str
    names: str


FORMS = {
    ("cifar10", "python"): Form("cifar-10-batches-py", [f"data_batch_{i}" for i in range(1, 6)], "test_batch",
                                "batches.meta"),
    ("cifar10", "binary"): Form("cifar-10-batches-bin", [f"data_batch_{i}.bin" for i in range(1, 6)],
                                "test_batch.bin", "batches.meta.txt"),
    ("cifar100", "python"): Form("cifar-100-python", ["train"], "test", "meta"),
    ("cifar100", "binary"): Form("cifar-100-binary", ["train.bin"], "test.bin", "fine_label_names.txt"),
}
FORMS["cifar100_coarse", "python"] = FORMS["cifar100", "python"]
FORMS["cifar100_coarse", "binary"] = FORMS["cifar100", "binary"]._replace(names="coarse_label_names.txt")
