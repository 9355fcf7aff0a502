"""What is private to TensorFlow may be gone: all that uses it goes on where it is hidden."""
import importlib
import importlib.metadata
import sys
import threading

import pytest
from tensorflow.python import pywrap_tfe

from cifar_fast.machine import devices, waiting
from cifar_fast.runs import train
from cifar_fast.system import private
from cifar_fast.training import replicas
from tests.support import tiny

PARTS = {"util._pywrap_util_port": "IsMklEnabled", "framework.ops": "gradient_registry", "eager.context": "context",
         "pywrap_tfe": waiting.FUNCTION}


@pytest.fixture
def hidden(monkeypatch):
    for module in PARTS:
        monkeypatch.setitem(sys.modules, f"tensorflow.python.{module}", None)
        assert private.part(module) is private.part(module, PARTS[module]) is None


def test_what_is_there_is_found():
    for module, name in PARTS.items():
        there = importlib.import_module(f"tensorflow.python.{module}")
        assert private.part(module) is there and private.part(module, name) is getattr(there, name)
        assert private.part(module, "no_such_name") is None


def test_a_run_needs_none_of_it(hidden, monkeypatch, tmp_path):
    tiny.few_images(monkeypatch)
    assert train.run(tiny.config(workdir=str(tmp_path), epochs=1, horizontal_flip=False)).code == 0
    assert devices.resolve().reasons["oneDNN"].startswith("on")


def test_workers_wait_without_it_as_long_as_tensorflow_does(hidden):
    real, threads = pywrap_tfe.TFE_EnableCollectiveOps, threading.active_count()
    with waiting.bounded(100), replicas._bounded(100):
        assert pywrap_tfe.TFE_EnableCollectiveOps is real and threading.active_count() == threads


def test_and_with_it_no_longer_than_asked_for():
    real, threads = pywrap_tfe.TFE_EnableCollectiveOps, threading.active_count()
    with waiting.bounded(100), replicas._bounded(100):
        assert pywrap_tfe.TFE_EnableCollectiveOps is not real and threading.active_count() == threads + 1
    assert pywrap_tfe.TFE_EnableCollectiveOps is real


def test_a_tensorflow_of_another_name_is_not_known(monkeypatch):
    assert private.knows_xla_flags()

    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert not private.knows_xla_flags()
