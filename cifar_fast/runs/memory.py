"""What a run had is given back when it ends: in a notebook or a study the next one begins with as much memory.

TensorFlow registers the gradient of each `tf.custom_gradient` in a graph for good, also those of Keras's and its own.
The function holds tensors, so their graph, and so all that this has captured: the network, and the whole training set.
"""
import contextlib
import functools
import gc
import inspect
import traceback
import weakref

import tensorflow as tf
from tensorflow.python.framework.ops import gradient_registry  # TensorFlow has no public way to take one out

from cifar_fast.errors import UserError


@contextlib.contextmanager
def given_back():
    """What the block makes lasts as long as somebody holds it, and not longer. An error that is meant for the user
    holds none of it, though a notebook keeps the last one."""
    before = set(gradient_registry.list())
    try:
        yield
    except (UserError, KeyboardInterrupt) as error:
        _let_go(error)
        raise
    finally:
        for name in set(gradient_registry.list()) - before:
            _leave_to_its_graph(name)
        # Graphs and functions refer to each other, and are too few for Python to look by itself. Twice: what the first
        # round takes lets go of what only TensorFlow's own code has held.
        gc.collect()
        gc.collect()


def _let_go(error):
    """Empties the frames that an error and those that led to it have come through."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _leave_to_its_graph(name):
    """Registered gradients keep nothing alive: each is held by its graph, and goes when that goes."""
    entry = gradient_registry._registry[name]
    graph = _graph_of(entry["type"])
    if graph is not None:
        graph.add_to_collection("registered_gradients", entry["type"])
        entry["type"] = functools.partial(_call, weakref.ref(entry["type"]))
        weakref.finalize(graph, gradient_registry._registry.pop, name, None)


def _call(gradient, *arguments):
    return gradient()(*arguments)


def _graph_of(gradient):
    """The graph whose tensors a function of `tf.custom_gradient`'s holds; None for other functions."""
    wrapped = inspect.getclosurevars(gradient).nonlocals.get("tape_grad_fn")
    held = wrapped and inspect.getclosurevars(wrapped).nonlocals.get("result")
    return next((t.graph for t in tf.nest.flatten(held) if tf.is_symbolic_tensor(t)), None)
