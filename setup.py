"""The package's metadata are in setup.cfg; here is what has no place there, the code in C. Where no compiler is found
the package installs without it, and `cifar_fast devices` says so."""
from setuptools import Extension, setup

# Modules of their own, so that a checkout that was installed finds them, too. Winograd's inner loops are short enough
# for where they begin, within a line of the cache, to tell: by 6 to 9% of a convolution, in trials. The transforms of
# images are held to what SciPy computes to the bit, so no multiplication is fused with an addition there.
WINOGRAD, AFFINE = "cifar_fast/network/native", "cifar_fast/generator/native"
setup(ext_modules=[
    Extension("cifar_fast_winograd",
              [f"{WINOGRAD}/{name}.c" for name in ("avx2", "avx512", "avx512bf16", "winograd", "winograd_ops")],
              depends=[f"{WINOGRAD}/{name}.h" for name in ("winograd", "vectors", "canvas", "transforms", "form")],
              optional=True, extra_compile_args=["-O3", "-falign-loops=64", "-pthread"], extra_link_args=["-pthread"]),
    Extension("cifar_fast_affine", [f"{AFFINE}/affine.c"],
              depends=[f"{AFFINE}/{name}.h" for name in ("affine", "taps", "pixels")],
              optional=True, extra_compile_args=["-O3", "-ffp-contract=off", "-pthread"],
              extra_link_args=["-pthread"])])
