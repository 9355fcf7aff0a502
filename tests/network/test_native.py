"""The convolutions in C compiled anew: without warnings, and against their definition under the compiler's sanitizers.

The wide forms are compiled to AVX2 here, so that they are tested where there is no AVX-512; they are the same text.
"""
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cifar_fast import network
from cifar_fast.network import winograd
from cifar_fast.system import processor

HERE, NATIVE = Path(__file__).parent / "native", Path(network.__file__).parent / "native"
SOURCES = [HERE / "random_shapes.c", *(NATIVE / f"{form}.c" for form in ("avx2", "avx512", "avx512bf16"))]
SHAPES = os.environ.get("NATIVE_SHAPES", "20")  # .ci/run asks for more
FLAGS = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-psabi", "-pthread", f"-I{NATIVE}"]

pytestmark = pytest.mark.skipif(
    not shutil.which("gcc") or not winograd.INSTRUCTIONS["float32"] <= processor.flags(), reason="needs gcc, and AVX2")


@pytest.mark.parametrize("options", [
    ["-O3"], ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    ["-O1", "-g", "-fsanitize=thread"]], ids=["plain", "address, undefined", "thread"])
def test_random_shapes(tmp_path, options):
    program = tmp_path / "random_shapes"
    made = subprocess.run(["gcc", *FLAGS, *options, '-DTARGET="avx2,fma"', *SOURCES, "-lm", "-o", program],
                          capture_output=True, text=True)
    if "cannot find" in made.stderr:
        pytest.skip("this gcc has no such sanitizer")
    assert not made.returncode, made.stderr
    done = subprocess.run([program, SHAPES], capture_output=True, text=True)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("the sanitizer does not run on this kernel")
    assert done.returncode == 0 and f"{SHAPES} shapes" in done.stdout, done.stdout + done.stderr[-2000:]


def test_all_of_it_compiles_without_warnings(tmp_path):
    for source in NATIVE.glob("*.c"):
        done = subprocess.run(["gcc", *FLAGS, "-O3", "-fPIC", "-c", source, "-o", tmp_path / "it.o"],
                              capture_output=True, text=True)
        assert not done.returncode, done.stderr
