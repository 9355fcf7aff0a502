"""A program in StableHLO, compiled for a device of JAX's.

JAX has no public way to run a program that is not one of its own functions: its own go this one.
"""


def load(path, device):
    """Compiles a program that TensorFlow wrote.

    Args:
      path: a Path, of serialized StableHLO. device: one of `jax.devices()`.
    Returns:
      the executable of JAX's client; and a list of pairs (i, n) of ints: its i-th result is the new value of the n-th
      variable or argument that it takes.
    """
    from jax._src import compiler
    from jax._src.interpreters import mlir
    from jax._src.lib import xla_client
    from jax._src.lib.mlir import ir

    with mlir.make_ir_context():
        module = ir.Module.parse(path.read_bytes())
        changed = []
        for entry in map(ir.DictAttr, module.operation.attributes["mhlo.input_output_alias"]):
            taken = ir.IntegerAttr(ir.DictAttr(entry["alias"])["parameter_number"])
            changed.append((ir.DenseI64ArrayAttr(entry["output_index"])[0], taken.value))
        for copy in _operations(module, "mhlo.copy"):  # of no meaning, and unknown to JAX's plugin for CUDA
            copy.results[0].replace_all_uses_with(copy.operands[0])
            copy.erase()
        options = compiler.get_compile_options(num_replicas=1, num_partitions=1)
        program = compiler.backend_compile_and_load(
            device.client, module, xla_client.DeviceList((device,)), options, [])
    return program, changed


def _operations(module, name):
    """All operations of a name in an MLIR module."""
    from jax._src.lib.mlir import ir

    found = []

    def look(operation):
        if operation.name == name:
            found.append(operation)
        return ir.WalkResult.ADVANCE

    module.operation.walk(look)
    return found
