"""Homes and addresses, wherever a path is taken."""
import os
import pwd
from pathlib import Path

import pytest

from cifar_fast import cli
from cifar_fast.cli import flagfiles
from cifar_fast.config import Config
from cifar_fast.data import sources, tfds
from cifar_fast.errors import UserError
from cifar_fast.runs.directory import workdir
from cifar_fast.system import files, paths
from tests.support.files_of_cifar import content, packed, write_folder

ADDRESSES = ["gs://bucket/runs/a", "s3://bucket/x", "hdfs://host:9000/x", "https://host/cifar.tar.gz", "file:///data/x",
             "dbfs:/data", "gs:/bucket/runs/a", "abfss://c@a.dfs.core.windows.net/x", "S3A://b/x"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


def test_homes(home, monkeypatch):
    user = pwd.getpwuid(os.getuid())
    assert paths.local("~") == str(home) and paths.local("~/a b/~") == f"{home}/a b/~"
    assert paths.local(Path("~/a")) == f"{home}/a" and paths.local(f"~{user.pw_name}/a") == f"{user.pw_dir}/a"
    assert [paths.local(p) for p in ("a/~", "/x/../y", "./a", "C:", "a:b/c", "x@h:/y")] == [
        "a/~", "/x/../y", "./a", "C:", "a:b/c", "x@h:/y"]
    with pytest.raises(UserError, match="--workdir=~no-such-user/x: no home is known"):
        paths.local("~no-such-user/x", "--workdir")
    # Their own names can still be written, and stay what they are when a Path is made of them.
    assert paths.local(str(Path(paths.local("./~no-such-user/x")))) == str(home.parent / "here" / "~no-such-user" / "x")
    assert paths.local(Path(paths.local("./gs:/x"))) == str(home.parent / "here" / "gs:" / "x")


def test_data_runs_flagfiles_and_pictures_in_homes(home):
    write_folder(home / "d" / "cifar-10-batches-py", content("cifar10", "python")[0])
    assert len(sources.load("cifar10", "~/d").train_images) == 20
    config = Config(data_dir="~/d", workdir=Path("~/runs/x"))
    assert (config.data_dir, config.workdir) == (f"{home}/d", f"{home}/runs/x")
    (home / "a.flags").write_text("--epochs=3\n--flagfile=~/b.flags\n")
    (home / "b.flags").write_text("--workdir=~/runs/y\n")
    config = cli.config_for(["--flagfile=~/a.flags"])
    assert (config.epochs, config.workdir) == (3, f"{home}/runs/y")
    with workdir.Workdir(config.workdir) as place:
        place.open_config(config.flag_lines(), ())
    assert workdir.config_of_run("~/runs/y").workdir == f"{home}/runs/y"
    files.write_json("~/record.json", {})
    assert (home / "record.json").is_file() and not list(Path.cwd().iterdir())


def test_tfds_folder_in_a_home(home, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", "~/tfds")
    monkeypatch.setattr(tfds, "_reachable", lambda name: pytest.fail("a download would begin"))
    (home / "tfds" / "cifar10" / "3.0.2").mkdir(parents=True)
    (home / "tfds" / "cifar10" / "3.0.2" / "dataset_info.json").write_text("{")
    with pytest.raises(UserError, match=f"TFDS can't read or get cifar10 in {home}/tfds"):
        sources.load("cifar10")


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses_are_refused_by_name(address, home, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", address)
    for taken, flag in ((lambda: Config(workdir=address), "--workdir"),
                        (lambda: Config(data_dir=address), "--data_dir"),
                        (lambda: Config(workdir=Path(address)), "--workdir"),
                        (lambda: sources.load("cifar10", address), "--data_dir"),
                        (lambda: sources.load("cifar10"), "TFDS_DATA_DIR"),
                        (lambda: workdir.config_of_run(address), "--workdir"),
                        (lambda: flagfiles.read(address), "--flagfile"),
                        (lambda: cli.config_for([f"--flagfile={address}"]), "--flagfile"),
                        (lambda: files.write_json(address, {}), "")):
        with pytest.raises(UserError, match="is an address, and only this machine's file system") as caught:
            taken()
        assert str(caught.value).startswith(f"{flag}=" if flag else address[:4])
    assert not list(Path.cwd().iterdir())


def test_augment_writes_its_picture_there(home, capsys):
    data = home / "cifar.tar.gz"
    data.write_bytes(packed(content("cifar10", "python")[0]))
    assert cli.main(["", "augment", "--data_dir=~/cifar.tar.gz", "--horizontal_flip", "--out=~/sheet.png"]) == 0
    assert (home / "sheet.png").is_file() and not list(Path.cwd().iterdir())
    assert cli.main(["", "augment", "--data_dir=~/cifar.tar.gz", "--horizontal_flip", "--out=gs://b/sheet.png"]) == 1
    assert "--out=gs://b/sheet.png: is an address" in capsys.readouterr().err
