"""The package's metadata are in setup.cfg; here is what has no place there, the code in C. Where no compiler is found
the package installs without it, and `cifar_fast devices` says so."""
from setuptools import Extension, setup

# A module of its own, so that a checkout that was installed finds it, too. Its inner loops are short enough for where
# they begin, within a line of the cache, to tell: by 6 to 9% of a convolution, in trials.
NATIVE = "cifar_fast/network/native"
setup(ext_modules=[Extension("cifar_fast_winograd", [f"{NATIVE}/winograd.c", f"{NATIVE}/winograd_ops.c"],
                             depends=[f"{NATIVE}/{name}.h" for name in ("winograd", "canvas", "transforms")],
                             optional=True, extra_compile_args=["-O3", "-falign-loops=64", "-pthread"],
                             extra_link_args=["-pthread"])])
