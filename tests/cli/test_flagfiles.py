"""Flagfiles of several editors, and files within files."""
import pytest

from cifar_fast import cli
from cifar_fast.cli import flagfiles
from cifar_fast.errors import UserError

TEXT = "# of a run: 3×3\r\n\r\n--epochs=3\r\n  --data_dir=Größe \r\n// and so on\r\n--seed\r\n7\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_encodings_of_windows(encoding, tmp_path):
    data = TEXT.encode(encoding)
    (tmp_path / "run.flags").write_bytes(b"\xfe\xff" + data if encoding == "utf-16-be" else data)
    assert flagfiles.read(f"{tmp_path}/run.flags") == ["--epochs=3", "--data_dir=Größe", "--seed", "7"]
    config = cli.config_for([f"--flagfile={tmp_path}/run.flags", "--seed=8"])
    assert (config.epochs, config.data_dir, config.seed) == (3, "Größe", 8)


@pytest.mark.parametrize("data, named", [
    (b"--epochs=3\n--data_dir=\xe9", r"not text in UTF-8 \(.*, byte 22\); save it as UTF-8"),
    ("--epochs=3".encode("utf-16")[:-1], "not text in UTF-8"),
    (b"--flagfile=no.flags", "--flagfile=no.flags: not a file"),
    (b"--flagfile", "--flagfile=: not a file"),
    (b"--flagfile=run.flags", "--flagfile=run.flags: stands within itself"),
])
def test_others_are_refused_in_a_line(data, named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.flags").write_bytes(data)
    with pytest.raises(UserError, match=named):
        flagfiles.read("run.flags")


def test_files_within_files_stand_in_their_place(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "outer").write_text("--epochs=1\n--flagfile=~/inner\n--flagfile=~/inner\n--epochs=3\n")
    (tmp_path / "inner").write_text("--epochs=2\n")
    assert flagfiles.read("~/outer") == ["--epochs=1", "--epochs=2", "--epochs=2", "--epochs=3"]
