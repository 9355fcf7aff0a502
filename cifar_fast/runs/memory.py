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

from cifar_fast.errors import UserError
from cifar_fast.system import private


@contextlib.contextmanager
def given_back():
    """What the block makes lasts as long as somebody holds it, and not longer. An error that is meant for the user
    holds none of it, though a notebook keeps the last one."""
    gradients = _registered()
    before = set(gradients)
    try:
        yield
    except (UserError, KeyboardInterrupt) as error:
        _let_go(error)
        raise
    finally:
        for name in set(gradients) - before:
            _leave_to_its_graph(gradients, name)
        # Graphs and functions refer to each other, and are too few for Python to look by itself. Twice: what the first
        # round takes lets go of what only TensorFlow's own code has held.
        gc.collect()
        gc.collect()


def _let_go(error):
    """Empties the frames that an error and those that led to it have come through."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _registered():
    """The registered gradients by name, as TensorFlow has them; nothing where it has them otherwise, and keeps them."""
    return getattr(private.part("framework.ops", "gradient_registry"), "_registry", {})


def _leave_to_its_graph(gradients, name):
    """Registered gradients keep nothing alive: each is held by its graph, and goes when that goes."""
    entry = gradients[name]
    graph = _graph_of(entry["type"])
    if graph is not None:
        graph.add_to_collection("registered_gradients", entry["type"])
        entry["type"] = functools.partial(_call, weakref.ref(entry["type"]))
        weakref.finalize(graph, gradients.pop, name, None)


def _call(gradient, *arguments):
    return gradient()(*arguments)


def _graph_of(gradient):
    """The graph whose tensors a function of `tf.custom_gradient`'s holds; None for other functions."""
    wrapped = inspect.getclosurevars(gradient).nonlocals.get("tape_grad_fn")
    held = wrapped and inspect.getclosurevars(wrapped).nonlocals.get("result")
    return next((t.graph for t in tf.nest.flatten(held) if tf.is_symbolic_tensor(t)), None)
