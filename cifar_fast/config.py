"""Everything that decides a training run, in one frozen record.

Each field is one flag of the command line: its default, its limits and its help stand here and nowhere
else, so that a script that imports the library and a person at a terminal get the same checks.
"""
import dataclasses
import numbers
import os
import re
import typing
from dataclasses import dataclass

import numpy as np

from cifar_fast import parts
from cifar_fast.errors import UserError, short
from cifar_fast.system import paths
from cifar_fast.training import plan


def option(default, help, *, low=None, high=None, choices=None, group="training", path=False):
    """A field of `Config`: `low` and `high` are inclusive, `choices` the allowed strings; a path is expanded."""
    return dataclasses.field(default=default, metadata=dict(
        help=help, low=low, high=high, choices=choices, group=group, path=path))


@dataclass(frozen=True)
class Config:
    """One training run. Raises `UserError` naming the flag, its value and what is allowed."""

    # data
    dataset: str = option("cifar10", "what to train on: cifar10, cifar100, synthetic, images (any labelled images, in "
                          "--data_dir), or tfds/NAME, an image classification set of TensorFlow Datasets", group="data")
    data_dir: str | None = option(
        None, "folder or archive with the data. CIFAR: published Python or binary form, TFDS directory, or what images "
        "may be: class folders (train/CLASS/*.png, or CLASS/*.png), also in a .zip or .tar, a CSV or Parquet table of "
        "paths and labels, Parquet with the images in it, .npz (default, of CIFAR: where other programs have left it, "
        "else prepare with TFDS)", group="data", path=True)
    image_column: str | None = option(None, "a table's column of images or their paths (default: found by looking)",
                                      group="data")
    label_column: str | None = option(None, "a table's column of labels (default: found by looking)", group="data")
    labels: str = option("fine", "which of two kinds of labels, as CIFAR-100 has them", choices=("fine", "coarse"),
                         group="data")
    tfds_splits: str = option("train,test", "tfds/NAME: the splits to train and to evaluate on, or the first alone",
                              group="data")
    image_size: str | None = option(None, "bring all images to this size in pixels: 64, or 48x64 for height and width "
                                    "(default: the one that they have)", group="data")
    resize: str = option("stretch", "how they are brought to it: all of an image, the largest part about its centre, "
                         "or all with black beside it", choices=("stretch", "crop", "pad"), group="data")
    channels: str = option("auto", "what grey, colour and alpha become (auto: what all images have)",
                           choices=("auto", "grey", "rgb", "rgba"), group="data")
    skip_damaged: bool = option(False, "leave out images that can't be decoded, and say which", group="data")
    cache_dir: str | None = option(None, "folder for the pixels of decoded images, which the next run finds there "
                                   "(default: ~/.cache/cifar_fast/images)", group="data", path=True)
    classes: int = option(10, "classes of the synthetic data: 10 or 100", low=10, high=100, group="data")
    train_examples: int | None = option(None, "use only the first n training images", low=1, group="data")
    test_examples: int | None = option(None, "use only the first n test images", low=1, group="data")
    validation_examples: int = option(
        0, "hold n training images out and evaluate on them in place of the test set", low=0, group="data")
    validation_share: float = option(0.0, "the same as a share of the training images", low=0, high=0.9, group="data")
    validation_split: str = option("auto", "which are held out: the last ones, or of each class its share, drawn by "
                                   "the seed; auto: the last ones, if all classes are then on both sides, and "
                                   "stratified for --dataset=images", choices=("auto", "last", "stratified"),
                                   group="data")
    standardize: str = option("channel", "subtract the training images' mean and divide by their deviation: one "
                              "number for all channels, or one a channel", choices=("scalar", "channel"), group="data")
    test_statistics: str = option("train", "standardize the test images by the training images' statistics "
                                  "or by their own", choices=("train", "own"), group="data")

    # augmentation
    rotation_range: float = option(0.0, "rotate by up to this many degrees", low=0, high=180, group="augmentation")
    width_shift_range: float = option(0.0, "shift columns by up to this: a fraction of the width below 1, pixels "
                                      "from 1 on", low=0, group="augmentation")
    height_shift_range: float = option(0.0, "shift rows by up to this: a fraction of the height below 1, pixels "
                                       "from 1 on", low=0, group="augmentation")
    shear_range: float = option(0.0, "shear by up to this many degrees", low=0, high=89, group="augmentation")
    zoom_range: float = option(0.0, "zoom by a factor in 1 ± this", low=0, high=0.99, group="augmentation")
    horizontal_flip: bool = option(False, "mirror half of the images left to right", group="augmentation")
    vertical_flip: bool = option(False, "mirror half of the images top to bottom", group="augmentation")
    fill_mode: str = option("nearest", "what fills the pixels outside the image",
                            choices=("nearest", "constant", "reflect", "wrap"), group="augmentation")
    crop_padding: int = option(0, "move each image by up to this many whole pixels either way, as padding and "
                               "cropping do", low=0, high=1024, group="augmentation")
    crop_fill: str = option("reflect", "what --crop_padding pads with", choices=("reflect", "zero"),
                            group="augmentation")
    crop_size: int = option(0, "train on random crops of this side in pixels; 0: on the whole image", low=0,
                            high=1024, group="augmentation")
    alternating_flip: bool = option(False, "mirror half of the images left to right, and in the next epoch the other "
                                    "half (Jordan, 2024, arXiv:2404.00498)", group="augmentation")
    brightness: float = option(0.0, "make images brighter or darker by up to this many standard deviations", low=0,
                               high=10, group="augmentation")
    contrast: float = option(0.0, "multiply their contrast, about the mean of all images, by a factor in 1 ± this",
                             low=0, high=1, group="augmentation")
    cutout: int = option(0, "hide a square of this side in pixels (DeVries and Taylor, 2017, arXiv:1708.04552)", low=0,
                         high=1024, group="augmentation")
    mixup: float = option(0.0, "mix pairs of images, their shares from Beta(this, this) (Zhang et al., 2018, "
                          "arXiv:1710.09412); 0: off", low=0, high=100, group="augmentation")
    cutmix: float = option(0.0, "paste a box of one image into another, areas from Beta(this, this) (Yun et al., "
                           "2019, arXiv:1905.04899); 0: off", low=0, high=100, group="augmentation")
    augmentation: str | None = option(None, "package.module:function of your own, on what the flags above leave: "
                                      "from (images [B, H, W, C], 0 to 255; a seed [2]; ids int32 [B]) to images, "
                                      "of TensorFlow's operations, which XLA compiles", group="augmentation")
    image_sizes: str | None = option(None, "train on images resized to these sides, each for some epochs: "
                                     "20x4,24x3,32x3 (multiples of 4 keep the strides aligned); evaluation keeps the "
                                     "full size", group="augmentation")

    # network
    units: int = option(12, "pre-activation units, a multiple of 3: the filters double after each third",
                        low=3, high=300, group="network")
    filters: int = option(32, "filters of the first third of the units", low=1, high=1024, group="network")
    activation: str = option("relu", "activation function", choices=("relu", "elu", "silu"), group="network")
    dropout: float = option(0.1, "share of the activations dropped at each unit's end", low=0, high=0.9,
                            group="network")
    stochastic_depth: float = option(0.0, "share of the images that skip the last unit's branches, falling to none at "
                                     "the first unit (Huang et al., 2016, arXiv:1603.09382)", low=0, high=0.9,
                                     group="network")
    whitening: bool = option(False, "pass the images through a fixed convolution that removes the correlation of "
                             "neighbouring pixels (ZCA)", group="network")
    blur: bool = option(False, "blur maps before the convolutions of stride 2 (Zhang, 2019, arXiv:1904.11486)",
                        group="network")
    final_activation: bool = option(False, "activate the last normalization's maps too, before their mean (He et al., "
                                    "2016, arXiv:1603.05027)", group="network")
    norm_momentum: float = option(0.99, "share that moving statistics keep in a step", low=0, high=0.9999,
                                  group="network")
    l2: float = option(1e-6, "L2 penalty on every kernel, added to the loss", low=0, high=1, group="network")

    # optimizer
    optimizer: str = option("adam", "adam, sgd, muon (orthogonalizes the convolutions' updates and leaves the rest to "
                            "sgd; Jordan, 2024), or package.module:function of your own, which returns a Keras "
                            "optimizer; one with a schedule of its own is not held to --learning_rate and --schedule",
                            group="optimizer")
    learning_rate: float = option(1e-3, "learning rate that the schedule starts from or peaks at", low=0,
                                  group="optimizer")
    schedule: str = option("exponential", "how the learning rate changes: 'exponential' multiplies it by --decay "
                           "after each epoch; 'cosine' and 'linear' fall to --final_rate, 'one_cycle' rises over "
                           "--warmup and falls to --final_rate over --cooldown", group="optimizer",
                           choices=("constant", "exponential", "one_cycle", "linear", "cosine"))
    decay: float = option(0.99, "factor an epoch of the exponential schedule", low=1e-6, high=1, group="optimizer")
    warmup: float = option(0.2, "share of all steps over which one_cycle rises", low=0, high=1, group="optimizer")
    cooldown: float = option(1.0, "share of all steps over which one_cycle falls, at most what the warmup leaves; "
                             "before, the rate is held", low=0, high=1, group="optimizer")
    final_rate: float = option(0.0, "share of the learning rate that linear, cosine and one_cycle end at", low=0,
                               high=1, group="optimizer")
    momentum: float = option(0.9, "momentum of sgd, and of what muon leaves to it (Nesterov)", low=0, high=0.9999,
                             group="optimizer")
    muon_momentum: float = option(0.6, "muon: momentum of the convolutions' kernels (Nesterov)", low=0, high=0.9999,
                                  group="optimizer")
    dense_rate: float = option(1.0, "muon: learning rate of the dense kernel, in units of the kernels' rate", low=0,
                               group="optimizer")
    vector_rate: float = option(1.0, "muon: learning rate of gains, offsets and biases, in units of the kernels' rate",
                                low=0, group="optimizer")
    weight_decay: float = option(0.0, "share by which kernels shrink in a step, times their learning rate (decoupled: "
                                 "Loshchilov and Hutter, 2019, arXiv:1711.05101); muon keeps the convolutions' norms "
                                 "and shrinks the dense kernel alone", low=0, high=1, group="optimizer")
    vector_decay: float = option(0.0, "the same of gains, offsets and biases", low=0, high=1, group="optimizer")
    average: str = option("none", "evaluate an average of the weights: ema leaves training alone, lookahead also puts "
                          "it back into the network (Zhang et al., 2019, arXiv:1907.08610)",
                          choices=("none", "ema", "lookahead"), group="optimizer")
    average_every: int = option(5, "steps between two updates of the average", low=1, group="optimizer")
    average_decay: float = option(0.95, "share that the average keeps in an update; lookahead's grows to decay^every, "
                                  "with the third power of the training done", low=0, high=0.99999, group="optimizer")
    class_weights: str = option("none", "balanced: examples of rare classes count for more in the loss, so that all "
                                "classes count alike", choices=("none", "balanced"), group="optimizer")
    label_smoothing: float = option(0.0, "share of the label spread over all classes", low=0, high=0.9,
                                    group="optimizer")

    # training
    epochs: int = option(100, "passes over the training images", low=1, high=1_000_000)
    batch_size: int = option(32, "images a step, over all devices (the global batch)", low=1)
    seed: int = option(0, "seed of weights, order, augmentation and dropout", low=0, high=2**31 - 1)
    init_from: str | None = option(None, "begin with the weights of this run directory (its best), or of a .keras file "
                                   "that export wrote; all but the last layer's where the classes differ", path=True)
    eval_every: int = option(1, "evaluate after every n-th epoch (and always after the last)", low=1)
    workdir: str = option("runs/latest", "the run directory; an unfinished run in it goes on", path=True)
    checkpoint_every: float = option(300.0, "seconds between checkpoints within an epoch (each epoch's end has one)",
                                     low=0)

    tensorboard: bool = option(False, "write tensorboard/ in the run directory: scalars by epoch and by call, "
                               "pictures, hyperparameters and the graph (an extra, [tensorboard])")
    profile_steps: str | None = option(None, "trace the program from after one step of the run to another for "
                                       "TensorBoard's profiler: 100:120")
    prune: float = option(0.0, "share of the images left out of an epoch, drawn from those with the lowest last "
                          "loss; those of them that stay count for more (InfoBatch, Qin et al., 2024, "
                          "arXiv:2303.04947)", low=0, high=0.9)
    prune_easy: float = option(0.7, "share of the images, by their last loss, that --prune draws from", low=0, high=1)
    prune_first: int = option(2, "epochs at the start that leave nothing out", low=1)
    prune_last: int = option(1, "epochs at the end that leave nothing out", low=0)
    tta: str = option("none", "test-time augmentation, reported beside the plain accuracy: the mean over the image and "
                      "its mirror image, or over these and four moved by a pixel; _quarter: of the least certain "
                      "quarter of the images alone, the others count as they are",
                      choices=("none", "mirror", "translate", "mirror_quarter", "translate_quarter"))
    target_accuracy: float = option(0.0, "stop after the evaluation that reaches this accuracy; 0: never", low=0,
                                    high=1)

    # replicas
    strategy: str = option("auto", "train on one device, on several of this machine (mirrored), or in several "
                           "processes (multi_worker, as TF_CONFIG or Slurm says); auto: what there is",
                           choices=("auto", "one_device", "mirrored", "multi_worker"), group="replicas")
    num_devices: int = option(0, "devices of this machine to train on; 0: all", low=0, high=1024, group="replicas")
    logical_cpus: int = option(0, "split the CPU into this many devices, to try several replicas without GPUs", low=0,
                               high=64, group="replicas")
    scale_learning_rate: bool = option(False, "multiply the learning rate by the number of replicas", group="replicas")
    sync_batch_norm: bool = option(False, "take the batch statistics over all replicas, not over each one's share; "
                                   "several replicas then need --xla=off", group="replicas")
    reduce_in: str = option("float32", "precision in which the gradients are summed over the replicas; compute: "
                            "--precision", choices=("float32", "compute"), group="replicas")
    worker_timeout: float = option(120.0, "seconds to wait for the other workers at the start", low=1,
                                   group="replicas")

    # engine
    precision: str = option("auto", "arithmetic of convolutions and activations; variables, statistics, logits and "
                            "loss stay float32", choices=("auto", "float32", "bfloat16", "float16"), group="engine")
    xla: str = option("auto", "compile the network with XLA (the augmentation always is): auto is on for GPUs, "
                      "off for CPUs", choices=("auto", "on", "off"), group="engine")
    convolutions: str = option("auto", "what computes 3×3 convolutions of stride 1, TensorFlow or our code in C, by "
                               "Winograd's algorithm (CPUs with AVX2 or AVX-512): auto is winograd in float32, and in "
                               "bfloat16 with avx512_bf16 and no amx_bf16",
                               choices=("auto", "winograd", "tensorflow"), group="engine")
    input: str = option("auto", "keep the data set on the device, or stream batches to it",
                        choices=("auto", "resident", "stream"), group="engine")
    steps_per_call: int = option(0, "training steps a call of the compiled program; 0: as many as take about two "
                                 "seconds", low=0, group="engine")

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = _typed(field, getattr(self, field.name))
            _check(field, value)
            if field.metadata["path"] and value is not None:
                value = paths.local(value, f"--{field.name}")
            object.__setattr__(self, field.name, value)
        if self.units % 3:
            raise UserError(f"--units={self.units}: must be a multiple of 3, since the filters double after each third")
        if self.classes not in (10, 100):
            raise UserError(f"--classes={self.classes}: the synthetic data have 10 or 100 classes")
        if self.mixup and self.cutmix:
            raise UserError(f"--mixup={self.mixup} --cutmix={self.cutmix}: take one of them")
        if self.alternating_flip and self.horizontal_flip:
            raise UserError("--alternating_flip --horizontal_flip: take one of them, both mirror left to right")
        if self.prune and self.prune >= self.prune_easy:
            raise UserError(f"--prune={self.prune}: must be below the share it draws from, "
                            f"--prune_easy={self.prune_easy}")
        if self.optimizer not in OPTIMIZERS:
            parts.check("--optimizer", self.optimizer, "one of adam, sgd, muon, or ")
            if self.weight_decay or self.vector_decay:
                raise UserError(f"--optimizer={self.optimizer}: decays by what its function says; leave --weight_decay "
                                "and --vector_decay out")
        if self.augmentation:
            parts.check("--augmentation", self.augmentation)
        if self.profile_steps and not (
                re.fullmatch(r"\d{1,9}:\d{1,9}", self.profile_steps, re.ASCII)
                and int(self.profile_steps.split(":")[0]) < int(self.profile_steps.split(":")[1])):
            raise UserError(f"--profile_steps={self.profile_steps}: must be two numbers of steps, the lower first, as "
                            "in 100:120")
        plan.sizes(self.image_sizes, self.epochs)
        plan.image_size(self.image_size)
        self._check_data()

    def _check_data(self):
        """Raises UserError for an unknown data set, and for flags that do not count for it."""
        of_tfds = re.fullmatch(r"tfds/\w+(/[\w.-]+)?(:\d+\.\d+\.\d+)?", self.dataset, re.ASCII)
        if self.dataset not in DATASETS and not of_tfds:
            raise UserError(f"--dataset={self.dataset}: must be one of {', '.join(DATASETS)}, or tfds/NAME")
        if not of_tfds and self.tfds_splits != "train,test":
            raise UserError(f"--tfds_splits={self.tfds_splits}: only of --dataset=tfds/NAME")
        if not re.fullmatch(r"[^,]+(,[^,]+)?", self.tfds_splits):
            raise UserError(f"--tfds_splits={self.tfds_splits}: must be one split or two, as in train,test")
        if self.labels == "coarse" and self.dataset in ("cifar10", "synthetic"):
            raise UserError(f"--labels=coarse: {self.dataset} has one kind of labels")
        unused = [name for name in ("image_column", "label_column", "cache_dir", "skip_damaged") if getattr(self, name)]
        if unused and self.dataset == "synthetic":
            raise UserError(f"--{unused[0]}: the synthetic images are in no file")
        if self.validation_share and self.validation_examples:
            raise UserError(f"--validation_share={self.validation_share} --validation_examples="
                            f"{self.validation_examples}: take one of them")

    @classmethod
    def of_flag_lines(cls, lines):
        """The `Config` that `flag_lines` wrote; fields that are not named have their defaults. Raises `UserError`."""
        kinds, values = {f.name: f.type for f in dataclasses.fields(cls)}, {}
        for line in lines:
            name, _, text = line.removeprefix("--").partition("=")
            if name not in kinds:
                raise UserError(f"--{name}: no flag of this version of cifar_fast")
            kind, _ = _kind(kinds[name])
            try:
                values[name] = {"true": True, "false": False}[text] if kind is bool else kind(text)
            except (ValueError, KeyError):
                raise UserError(f"--{name}={text}: must be {KINDS[kind][0]}") from None
        return cls(**values)

    def tied_to_epochs(self):
        """The flags by which an epoch depends on how many there are, such as "--schedule=cosine", as text; "" where a
        finished run may get more."""
        tied = {"schedule": self.schedule not in ("constant", "exponential"), "image_sizes": bool(self.image_sizes),
                "prune_last": self.prune and self.prune_last, "average": self.average == "lookahead"}
        return " ".join(f"--{name}={getattr(self, name)}" for name in tied if tied[name])

    def flag_lines(self, without=()):
        """The run as a flagfile's lines, `--name=value`, in the order of the fields; unset ones and those named in
        `without` are left out."""
        values = ((f.name, getattr(self, f.name)) for f in dataclasses.fields(self) if f.name not in without)
        return [f"--{n}={str(v).lower() if isinstance(v, bool) else v}" for n, v in values if v is not None]


# What runs did before there was the flag, where its default does something else: they are still evaluated as then.
BEFORE = ("--validation_split=last",)

# Flags that may differ when a run goes on: they change where and how fast, not what is computed. Other devices change
# rounding, and other numbers of replicas over which images a batch statistic is taken, unless it is over all.
# `epochs` is not among them: most schedules depend on it, see `Config.tied_to_epochs`.
FREE = ("workdir", "data_dir", "cache_dir", "eval_every", "tta", "checkpoint_every", "steps_per_call", "input",
        "convolutions", "tensorboard", "profile_steps", "strategy", "num_devices", "logical_cpus", "worker_timeout")

# Flags that evaluation takes beside those of the run: other data, and how to compute.
OF_EVALUATION = ("dataset", "data_dir", "image_column", "label_column", "labels", "tfds_splits", "skip_damaged",
                 "cache_dir", "precision", "tta")

# By the type of a field: what it holds, in words, and the types of Python's and NumPy's that are as good.
KINDS = {int: ("a whole number", numbers.Integral), float: ("a number", numbers.Real), str: ("a text", str),
         bool: ("true or false", bool | np.bool_)}
OPTIMIZERS = ("adam", "sgd", "muon")
DATASETS = ("cifar10", "cifar100", "images", "synthetic")
LARGEST = 2**31 - 1  # of any number: steps and examples are counted in int32


def _kind(annotation):
    """int | None → (int, True): the type, and whether None may stand there."""
    kinds = typing.get_args(annotation) or (annotation,)
    return kinds[0], type(None) in kinds


def _typed(field, value):
    """A field's value as its flag would have it, also where a script says 1 for 1.0, or gives a NumPy scalar or a path.
    Raises UserError for other types: a text is no number, 2.0 no whole one, and true none at all."""
    kind, optional = _kind(field.type)
    if value is None and optional:
        return None
    value = os.fspath(value) if isinstance(value, os.PathLike) else value
    words, types = KINDS[kind]
    if not isinstance(value, types) or isinstance(value, bool) and kind is not bool:
        raise UserError(f"--{field.name}={short(repr(value))}: must be {words}{' or None' if optional else ''}, not of "
                        f"type {type(value).__name__}")
    if kind in (int, float) and not abs(value) <= LARGEST:
        raise UserError(f"--{field.name}={short(str(value))}: must be a number of at most {LARGEST}")
    return kind(value)


def _check(field, value):
    meta = field.metadata
    if value is None:
        return
    if isinstance(value, str) and (not value or not value.isprintable()):
        raise UserError(f"--{field.name}={value!r}: must be a text of printable characters, and not empty")
    if meta["choices"] and value not in meta["choices"]:
        raise UserError(f"--{field.name}={value}: must be one of {', '.join(meta['choices'])}")
    if meta["low"] is not None and value < meta["low"]:
        raise UserError(f"--{field.name}={value}: must be at least {meta['low']}")
    if meta["high"] is not None and value > meta["high"]:
        raise UserError(f"--{field.name}={value}: must be at most {meta['high']}")
