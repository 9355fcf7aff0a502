"""The package's metadata are in setup.cfg; here is what has no place there, the code in C. Where no compiler is found
the package installs without it, and `cifar_fast devices` says so."""
from setuptools import Extension, setup

# Modules of their own, so that a checkout that was installed finds them, too. Winograd's inner loops are short enough
# for where they begin, within a line of the cache, to tell: by 6 to 9% of a convolution, in trials. The transforms of
# images are held to what SciPy computes to the bit, so no multiplication is fused with an addition there. They are
# compiled twice: without TensorFlow's functions for the drop-in generator, which other backends of Keras use, too.
WINOGRAD, AFFINE, TENSORFLOW = (f"cifar_fast/{name}/native" for name in ("network", "augment", "system"))


def module(name, folder, sources, headers, *options):
    return Extension(f"cifar_fast_{name}", [f"{folder}/{source}.c" for source in sources],
                     depends=[f"{TENSORFLOW}/tensorflow.h", *(f"{folder}/{header}.h" for header in headers)],
                     optional=True, extra_compile_args=["-O3", *options, "-pthread"], extra_link_args=["-pthread"])


setup(ext_modules=[
    module("winograd", WINOGRAD, ("avx2", "avx512", "avx512bf16", "winograd", "winograd_ops"),
           ("winograd", "vectors", "canvas", "transforms", "form"), "-falign-loops=64"),
    *(module(name, AFFINE, sources, ("affine", "taps", "pixels"), "-ffp-contract=off")
      for name, sources in (("affine", ["affine"]), ("affine_op", ["affine", "affine_op"])))])
