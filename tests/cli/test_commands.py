"""Flags, help, and one clear line for every mistake."""
import dataclasses
import os
import pickle
import signal
import subprocess
import sys
import tarfile

import numpy as np
import pytest

import cifar_fast
from cifar_fast import cli, recipes
from cifar_fast.config import OF_EVALUATION, Config
from cifar_fast.errors import UserError
from cifar_fast.runs.directory.workdir import Workdir
from tests.support.command import Command

SMALL = ["--dataset=synthetic", "--train_examples=16", "--test_examples=4", "--batch_size=8", "--units=3",
         "--filters=1", "--epochs=1"]


def config(*arguments):
    return cli.config_for(arguments)


def test_defaults_are_the_configs():
    assert config() == Config()


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_parses(name):
    assert isinstance(config(f"--recipe={name}"), Config)


@pytest.mark.parametrize("name, dataset", [("seed_cifar10", "cifar10"), ("seed_cifar100", "cifar100")])
def test_the_seed_recipes_are_the_reports(name, dataset):
    chosen = config(f"--recipe={name}")
    assert (chosen.dataset, chosen.batch_size, chosen.epochs) == (dataset, 32, 100)
    assert (chosen.optimizer, chosen.learning_rate) == ("adam", 1e-3)
    assert (chosen.schedule, chosen.decay) == ("exponential", 0.99)
    assert (chosen.rotation_range, chosen.width_shift_range, chosen.height_shift_range) == (30, 0.1, 0.1)
    assert chosen.horizontal_flip and chosen.vertical_flip and chosen.fill_mode == "nearest"
    assert (chosen.standardize, chosen.test_statistics) == ("scalar", "own")
    assert (chosen.units, chosen.filters, chosen.activation, chosen.dropout, chosen.l2) == (12, 32, "elu", 0.1, 1e-6)


def test_flags_beside_a_flagfile_win_wherever_they_stand():
    assert config("--epochs=3", "--recipe=quickstart").epochs == 3
    assert config("--recipe", "quickstart", "--epochs=3", "--nohorizontal_flip").horizontal_flip is False


def test_a_configs_own_lines_parse_to_it(tmp_path):
    chosen = config("--recipe=quickstart", "--seed=7", "--data_dir=/some where")
    path = tmp_path / "run.flags"
    path.write_text("\n".join(chosen.flag_lines()))
    assert config(f"--flagfile={path}") == chosen


@pytest.mark.parametrize("command", [None, *cli.COMMANDS])
def test_help(command, capsys):
    assert cli.main(["cifar_fast", *([command] if command else []), "--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in (cli.COMMANDS if command is None else [command]))
    if command == "train":
        assert all(f"--{field.name}" in text for field in dataclasses.fields(Config))
    if command in ("evaluate", "predict", "export"):  # what is left out is the run's, not train's default
        of_run = {"evaluate": len(OF_EVALUATION), "predict": 3, "export": 1}
        assert text.count("[default: the run's]") == of_run[command]
        assert "TFDS" not in text and "the run to read" in text


@pytest.mark.parametrize("word", ["--version", "-V", "version"])
def test_the_version(word, capsys):
    assert cli.main(["cifar_fast", word]) == 0
    assert capsys.readouterr().out == f"cifar_fast {cifar_fast.__version__}\n"


@pytest.mark.parametrize("arguments, named", [
    (["fly"], "unknown command 'fly': expected"),
    (["tran"], "unknown command 'tran' (did you mean train?)"),
    (["train", "--batchsize=3"], "--batchsize: no such flag (did you mean batch_size?)"),
    (["evaluate", "--work-dir", "x"], "--work-dir: no such flag (did you mean workdir?)"),
    (["train", "--recipe=quikstart"], "--recipe=quikstart: no such recipe (did you mean quickstart?)"),
    (["train", "--no_such_flag=1"], "no_such_flag"),
    (["train", "--batch_size=0"], "--batch_size=0"),
    (["train", "--batch_size=many"], "batch_size"),
    (["train", "--dataset=mnist"], "--dataset=mnist"),
    (["train", "--recipe=nothing"], "--recipe=nothing"),
    (["train", "--flagfile=/no/such/file"], "/no/such/file"),
    (["train", "cifar10"], "unexpected argument 'cifar10'"),
    (["train", "--learning_rate=nan"], "--learning_rate=nan"),
    (["train", "--units=4"], "--units=4"),
    (["evaluate", "--workdir=/no/such/run"], "--workdir=/no/such/run"),
    (["evaluate", "--recipe=fast_cifar10"], "--recipe: evaluate has no use for it"),
    (["export", "--workdir=/no/such/run"], "--workdir=/no/such/run"),
    (["export", "--tta=mirror"], "--tta: export has no use for it"),
    (["launch", "--workers=2", "train", "--epochs=3"], "two dashes"),
])
def test_mistakes_get_one_line(arguments, named, capsys):
    assert cli.main(["cifar_fast", *arguments]) == 1
    error = capsys.readouterr().err
    assert named in error and error.count("\n") == 1 and error.startswith("cifar_fast: ")


class Hostile:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        import os
        return os.system, (f"touch {self.marker}",)


def write_batches(folder, change=lambda batch: batch):
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        batch = {b"data": rng.integers(0, 256, (20, 3072), dtype=np.uint8), b"labels": [1] * 20}
        (folder / name).write_bytes(pickle.dumps(change(batch), protocol=3))


@pytest.mark.parametrize("kind", ["missing", "truncated", "hostile", "label", "unwritable"])
def test_bad_data_and_folders_get_one_line(kind, tmp_path, capfd):
    folder, marker, workdir = tmp_path / "cifar-10-batches-py", tmp_path / "ran", tmp_path / "run"
    data, named = folder, "data_batch_1"
    if kind == "missing":
        named = str(folder)
    elif kind == "truncated":
        write_batches(folder)
        data, named = tmp_path / "cifar.tar.gz", "cifar.tar.gz"
        with tarfile.open(data, "w:gz") as archive:
            archive.add(folder, folder.name)
        data.write_bytes(data.read_bytes()[:-40_000])
    elif kind == "hostile":
        write_batches(folder, lambda batch: Hostile(marker))
    elif kind == "label":
        write_batches(folder, lambda batch: batch | {b"labels": [10] * 20})
    else:
        write_batches(folder)
        workdir, named = tmp_path / "file" / "run", "file/run"
        (tmp_path / "file").write_text("a file, so no folder can be made below it")
    arguments = ["train", "--dataset=cifar10", f"--data_dir={data}", "--batch_size=10", f"--workdir={workdir}"]
    if kind == "hostile":  # in a process of its own: were its code run, not in pytest's
        done = Command(*arguments).wait()
        code, error = done.code, done.error
    else:
        code, error = cli.main(["cifar_fast", *arguments]), capfd.readouterr().err
    lines = [line for line in error.splitlines() if line.startswith("cifar_fast: ")]
    assert code == 1 and "Traceback" not in error
    assert len(lines) == 1 and named in lines[0], error
    assert not marker.exists()
    assert not workdir.exists()


def test_devices_says_what_would_be_used(capsys):
    assert cli.main(["cifar_fast", "devices", "--precision=float32"]) == 0
    assert "float32 (asked for)" in capsys.readouterr().out


def test_describe_prints_the_network_and_the_plan(monkeypatch, capsys):
    monkeypatch.setattr("cifar_fast.runs.describe.SECONDS", 0.0)
    assert cli.main(["cifar_fast", "describe", *SMALL]) == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("parameters", "GFLOP", "PFLOP", "images/s", "predicted"))


def test_predict_says_what_it_wrote_and_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with Workdir("runs/latest") as workdir:
        workdir.open_config(Config(skip_damaged=True).flag_lines(), ())
    asked = []
    monkeypatch.setattr("cifar_fast.runs.predict.predict", lambda *arguments: asked.append(arguments) or (1, ["x.png"]))
    assert cli.main(["cifar_fast", "predict", "--images=~", "--precision=float32", "--probabilities", "--tta=mirror",
                     "--image_column=path"]) == 0
    assert capsys.readouterr() == ("wrote predictions.csv: 1 image\n", "left out: x.png\n")
    (config, *rest), = asked
    assert (config.precision, config.tta, config.image_column) == ("float32", "mirror", None)
    assert rest == [os.path.expanduser("~"), "predictions.csv", "best", True, True, "path"]


def test_launch_starts_as_many_as_asked_for(monkeypatch, capsys):
    monkeypatch.setattr("cifar_fast.machine.launch.launch", lambda workers, arguments: print(workers, arguments) or 0)
    assert cli.main(["cifar_fast", "launch", "--workers=3", "--", "train", "--epochs=1"]) == 0
    assert capsys.readouterr().out == "3 ['train', '--epochs=1']\n"


def test_a_reader_that_leaves_is_no_error_to_speak_of():
    command = [sys.executable, "-m", "cifar_fast", "recipes"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 128 + signal.SIGPIPE


def test_an_output_that_takes_no_more_gets_one_line():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "cifar_fast", "recipes"], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr == b"cifar_fast: can't write standard output (No space left on device); what is saved stays\n"


def test_evaluate_takes_the_checkpoints_of_the_folder_that_it_reads(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with Workdir("runs/latest") as workdir:
        workdir.open_config(Config(workdir="where/it/was").flag_lines(), ())
    monkeypatch.setattr("cifar_fast.runs.saved.evaluate", lambda config, which: config.workdir)
    assert cli.main(["cifar_fast", "evaluate"]) == 0
    assert capsys.readouterr().out == '"runs/latest"\n'


def test_parse_raises_only_user_errors():
    with pytest.raises(UserError):
        cli.parse(["train", "--seed"])
