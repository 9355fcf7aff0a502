"""A short turn of the fuzzer, and that the fuzzer would see what it looks for."""
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.fuzzing import kinds, mutation

ROOT = Path(__file__).resolve().parents[2]


def test_hundreds_of_inputs_are_read_or_refused():
    run = subprocess.run([sys.executable, "-m", "tests.fuzzing", "--inputs=840"], cwd=ROOT, capture_output=True,
                         text=True, timeout=300)
    assert run.returncode == 0 and "840 inputs, 0 failures" in run.stdout, run.stdout + run.stderr[-2000:]


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_an_input_is_made_again_from_its_number(kind):
    assert kinds.make(kind, 0, 7) == kinds.make(kind, 0, 7)
    assert kinds.make(kind, 0, 7) != kinds.make(kind, 0, 8)


def test_the_fuzzer_sees_code_files_and_long_messages(tmp_path):
    """In a child, for an audit hook stays for good."""
    code = f"""
import os
from pathlib import Path
from tests.fuzzing import watch as watching
from cifar_fast.errors import UserError
watch = watching.Watch({str(tmp_path)!r})
def load(*_, **__):
    deed()
    raise UserError("fine")
watching.sources.load = load
for deed in (lambda: os.system("true"), lambda: open({str(tmp_path / 'x')!r}, "w").close(),
             lambda: open("/etc/passwd"), lambda: __import__("colorsys"), lambda: exec("1"),
             lambda: __import__("pickle").loads(b"cos\\nsystem\\n.")):
    watch.seen.clear()
    assert watching.outcome(Path({str(tmp_path)!r}), {{"it.a": b""}}, watch) == "refused" and watch.seen, deed
def deed():
    raise UserError("two\\nlines")
assert watching.outcome(Path({str(tmp_path)!r}), {{"it.a": b""}}, watch).startswith("not one")
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})


def test_mutations_stay_bytes():
    rng = np.random.default_rng(0)
    assert all(isinstance(mutation.mutated(b"abc" * 50, rng, 0.1), bytes) for _ in range(50))
