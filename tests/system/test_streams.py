"""Output of few characters, closed, or of a notebook's: nothing of it stops a run."""
import io
import os
import subprocess
import sys

import pytest

from cifar_fast.runs.progress import Progress
from cifar_fast.system import streams
from tests.runs.test_progress import LINE

ASCII = [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]


def command(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "cifar_fast", *arguments], stderr=subprocess.PIPE, **options)


class Deaf:
    """The least that Python takes for a standard output."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


@pytest.mark.parametrize("variables", ASCII, ids=["PYTHONIOENCODING", "the C locale"])
def test_characters_that_an_encoding_lacks_are_spelled_out(variables):
    done = command("augment", "--help", stdout=subprocess.PIPE, env=os.environ | variables)
    assert done.returncode == 0 and done.stdout.isascii() and rb"1 \xb1 this" in done.stdout


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_lead_nowhere(closed, tmp_path):
    """What is opened next must not take their place, or it would hold what others print there."""
    code = ("import os, sys; from cifar_fast.system import streams; streams.prepare(); file = open(sys.argv[1], 'wb'); "
            "print('out'); print('error', file=sys.stderr); sys.stdout.flush(); os.write(1, b'native'); "
            "file.write(b'%d' % file.fileno())")
    done = subprocess.run(["sh", "-c", f'"$0" -c "$1" "$2" {closed}', sys.executable, code, tmp_path / "file"],
                          env=os.environ | {"PYTHONPATH": os.getcwd()})
    assert done.returncode == 0 and int((tmp_path / "file").read_bytes()) > 2


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_so_does_a_command(closed):
    assert subprocess.run(["sh", "-c", f'"$0" -m cifar_fast recipes {closed}', sys.executable],
                          stdout=subprocess.DEVNULL).returncode == 0


def test_a_line_in_the_characters_of_its_stream():
    latin = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    streams.put("3×3 … é", latin)
    assert latin.buffer.getvalue() == b"3\xd73 \\u2026 \xe9\n"


def test_a_script_may_have_no_streams_at_all(monkeypatch):
    gone = io.StringIO()
    gone.close()
    for nothing in (None, gone):
        monkeypatch.setattr(sys, "stdout", nothing)
        monkeypatch.setattr(sys, "stderr", nothing)
        streams.say("unheard")
        streams.warn("unheard")
        with Progress(5, 16) as progress:
            progress.update(1, 4, 10, [1.0, 1.0, 1.0], None)
            progress.epoch_done(LINE)


def test_an_object_that_can_only_write_is_one():
    deaf = Deaf()
    with Progress(5, 16, deaf) as progress:
        progress.update(1, 4, 10, [1.0, 1.0, 1.0], None)
        progress.epoch_done(LINE)
    assert deaf.text.startswith("epoch   2/5") and deaf.text.endswith("\n")


def test_a_stream_that_takes_no_more_is_told_apart_but_on_standard_error(monkeypatch):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        monkeypatch.setattr(sys, "stderr", full)
        streams.warn("lost")
        with pytest.raises(streams.OutputError, match="No space left"):
            streams.say("lost")
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())  # for what its buffer still holds
