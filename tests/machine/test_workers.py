"""The roll call, and whole runs of two workers: stopped, killed, going on."""
import dataclasses
import json
import os
import signal
import socket
import threading
import time

import pytest
import tensorflow as tf

from cifar_fast import cli
from cifar_fast.errors import UserError
from cifar_fast.machine import launch, runtime, workers
from cifar_fast.machine.cluster import Cluster
from tests.support import overflow, tiny
from tests.support.clusters import tf_config
from tests.support.command import PATIENCE, Command, run
from tests.support.whole_runs import FLAGS, plain, result

# A step a call, so that there is time to stop a run that lasts a second; nothing turned, which compiles for seconds.
TRAIN = ["train", *FLAGS, "--precision=float32", "--steps_per_call=1", "--rotation_range=0", "--prune=0.3",
         "--prune_first=1", "--prune_last=0"]


def roll_call(count, configs, present=None, devices=(("/CPU:0",),) * 3):
    """Each worker's answer, None where all is well; `present` are those that come."""
    addresses, answers = tuple(f"127.0.0.1:{port}" for port in launch.free_ports(count)), {}

    def call(index):
        try:
            workers.call_roll(Cluster(addresses, index, "a test"), configs[index], devices[index])
            answers[index] = None
        except UserError as error:
            answers[index] = str(error)

    threads = [threading.Thread(target=call, args=(i,)) for i in present or range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert set(answers) == set(present or range(count))
    return addresses, answers


def test_all_who_are_called_begin():
    assert roll_call(3, [tiny.config(workdir=str(i)) for i in range(3)])[1] == {0: None, 1: None, 2: None}


def test_a_worker_that_never_comes_is_named_with_its_address():
    configs = [tiny.config(worker_timeout=1.0)] * 3
    addresses, answers = roll_call(3, configs, [0, 1])
    assert set(answers) == {0, 1}
    assert all(f"worker 2 ({addresses[2]}) did not come" in answer for answer in answers.values())
    addresses, answers = roll_call(2, configs, [1])
    assert f"worker 0 ({addresses[0]}, the chief) did not answer worker 1" in answers[1]


def test_a_worker_that_left_while_it_waited_is_waited_for():
    addresses, answers = tuple(f"127.0.0.1:{port}" for port in launch.free_ports(3)), {}
    config = tiny.config(worker_timeout=2.0)

    def call(index):
        try:
            answers[index] = workers.call_roll(Cluster(addresses, index, "a test"), config)
        except UserError as error:
            answers[index] = str(error)

    lines = config.flag_lines(without=workers.MAY_DIFFER)
    lines += ["devices:/CPU:0", f"workers:{','.join(addresses)}"]
    threads = [threading.Thread(target=call, args=(i,)) for i in (0, 2)]
    threads[0].start()
    for _ in range(50):
        try:
            with socket.create_connection(("127.0.0.1", int(addresses[0].rpartition(":")[2])), 1) as leaving:
                leaving.sendall(json.dumps([1, lines]).encode() + b"\n")
            break
        except OSError:
            time.sleep(0.02)
    threads[1].start()
    for thread in threads:
        thread.join(30)
    assert all(f"worker 1 ({addresses[1]}) did not come" in answers[i] for i in (0, 2))


def test_workers_with_other_flags_do_not_begin():
    _, answers = roll_call(2, [tiny.config(), tiny.config(learning_rate=0.5)])
    assert all("--learning_rate=0.001 --learning_rate=0.5" in answer for answer in answers.values())
    _, answers = roll_call(2, [tiny.config(), tiny.config(eval_every=2)])  # a run may go on with another, not workers
    assert all("--eval_every=1 --eval_every=2" in answer for answer in answers.values())


def test_nor_do_workers_with_other_devices():
    _, answers = roll_call(2, [tiny.config()] * 2, devices=(("/GPU:0", "/GPU:1"), ("/GPU:0",)))
    assert all("(devices:/GPU:0 devices:/GPU:0,/GPU:1)" in answer for answer in answers.values())


def test_a_worker_whose_port_is_taken_says_so():
    addresses = tuple(f"127.0.0.1:{port}" for port in launch.free_ports(2))
    for index in range(2):
        with socket.create_server(("", int(addresses[index].rpartition(":")[2]))):
            with pytest.raises(UserError, match=rf"worker {index} \({addresses[index]}.*: can't listen there"):
                workers.call_roll(Cluster(addresses, index, "a test"), tiny.config())


def test_a_lost_worker_is_named():
    cluster = Cluster(("a:1", "b:2"), 0, "a test")
    error = tf.errors.UnavailableError(None, None, "at /job:worker/replica:0/task:0: from remote target "
                                       "/job:worker/replica:0/task:1 while")
    assert "worker 1 (b:2) is gone" in str(workers.lost(cluster, error))
    assert "from remote target" in str(workers.lost(cluster, error))
    error = tf.errors.DeadlineExceededError(None, None, "Deadline Exceeded at /job:worker/replica:0/task:0")
    assert "worker 1 (b:2) is gone, or does not answer (Deadline" in str(workers.lost(cluster, error))
    cluster = Cluster(("a:1", "b:2", "c:3"), 1, "a test")
    assert "worker 0 (a:1, the chief) or worker 2 (c:3) is gone" in str(
        workers.lost(cluster, tf.errors.UnavailableError(None, None, "no names")))


@pytest.mark.parametrize("before, after", [
    ({}, "a,b"), ({"no_proxy": "x,.corp"}, "x,.corp,a,b"), ({"no_proxy": "x", "no_grpc_proxy": "b,y"}, "b,y,a")])
def test_the_workers_are_kept_off_proxies_beside_those_that_are_already(before, after, monkeypatch):
    for name in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
        if name in before:
            monkeypatch.setenv(name, before[name])
    workers.keep_off_proxies(Cluster(("b:2", "a:1"), 0, "a test"))
    assert os.environ.pop("no_grpc_proxy") == after


def start(workdir, addresses, *more, **variables):
    """Two workers; the second trains as if on another machine, where there is no such run directory.

    Each has a core of its own, as the logical devices have a thread: a convolution's sums depend on their number."""
    children = []
    for index in range(2):
        own = launch.share_of_cores(index, 2)
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        place = workdir if index == 0 else workdir.parent / "not there"
        children.append(Command(*TRAIN, f"--workdir={place}", *more, cores=own, target=plain,
                                variables=variables | {"TF_CONFIG": json.dumps(config)}))
    return children


def addresses():
    return [f"127.0.0.1:{port}" for port in launch.free_ports(2)]


def wait_for_steps(workdir, count, children):
    seen, deadline = set(), time.time() + PATIENCE
    while len(seen) < count and time.time() < deadline and all(child.alive() for child in children):
        seen |= {p.name for p in workdir.glob("checkpoints/step-*")}
        time.sleep(0.01)


def test_two_workers_killed_and_stopped_end_as_two_replicas_never_stopped(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run(*TRAIN, "--logical_cpus=2", "--steps_per_call=20", f"--workdir={whole}", target=plain)
    chief, second = start(broken, where := addresses(), "--checkpoint_every=0")
    wait_for_steps(broken, 3, (chief, second))
    second.signal(signal.SIGKILL)
    begin = time.time()
    error = chief.wait().error
    assert chief.code == 1 and time.time() - begin < 60
    line, = (line for line in error.splitlines() if line.startswith("cifar_fast: "))
    assert f"worker 1 ({where[1]}) is gone" in line

    chief, second = start(broken, addresses(), "--checkpoint_every=0")
    wait_for_steps(broken, 5, (chief, second))
    second.signal(signal.SIGTERM)
    assert (chief.wait().code, second.wait().code) == (143, 143)
    assert "stopped by SIGTERM" in chief.output and second.output == ""  # only the chief speaks

    for child in start(broken, addresses(), "--input=stream", "--steps_per_call=20"):
        assert "Traceback" not in child.wait().error
        assert child.code == 0
    assert result(broken) == result(whole)
    assert not (tmp_path / "not there").exists()


def test_an_overflow_on_either_worker_skips_the_update_on_both():
    where = addresses()
    children = [Command(target=overflow.train, variables=tf_config({"worker": where}, index=i)) for i in range(2)]
    outputs = [child.wait().output.splitlines()[-1:] for child in children]
    assert outputs[0] == outputs[1] and outputs[0][0].startswith("8192.0 2 True ")  # scale, updates, finite, digest


def test_workers_whose_shell_has_a_proxy_train(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
    for child in start(tmp_path / "run", addresses(), "--epochs=1", "--train_examples=16", "--test_examples=8",
                       http_proxy=proxy, grpc_proxy=proxy, no_proxy="localhost"):
        assert child.wait().code == 0, child.error
    assert (tmp_path / "run/summary.json").exists()


def chief_alone(workdir, timeout):
    """A chief, and its address list, whose other worker answers the roll call and never comes to TensorFlow."""
    where, more = addresses(), (f"--worker_timeout={timeout}", f"--workdir={workdir}")
    chief = Command(*TRAIN, *more, variables=tf_config({"worker": where}))
    config = runtime.decide(cli.config_for([*TRAIN[1:], *more])).config
    workers.call_roll(Cluster(tuple(where), 1, "a test"), dataclasses.replace(config, worker_timeout=PATIENCE))
    return chief, where


def test_a_worker_that_is_gone_after_the_roll_call_is_not_waited_for_without_end(tmp_path):
    chief, where = chief_alone(tmp_path / "run", 4)
    chief.wait()
    assert chief.code == 1 and not (tmp_path / "run").exists()
    line, = (line for line in chief.error.splitlines() if line.startswith("cifar_fast: "))
    assert f"worker 1 ({where[1]}) is gone, or does not answer" in line


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_worker_that_waits_in_native_code(number, tmp_path):
    chief, _ = chief_alone(tmp_path / "run", 100)
    time.sleep(3)  # it is in TensorFlow then, and if not, the signal ends it all the same
    begin = time.time()
    chief.signal(number)
    assert chief.wait().code in (-number, 128 + number)
    assert time.time() - begin < 60
