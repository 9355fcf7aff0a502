"""Who the workers are, the roll call, and whole runs of two: stopped, killed, going on."""
import json
import signal
import socket
import threading
import time

import overflow
import pytest
import tensorflow as tf
import tiny
from command import PATIENCE, Command, run
from test_train import FLAGS, result

from cifar_fast import launch, layout, workers
from cifar_fast.errors import UserError

# A step a call, so that there is time to stop a run that lasts a second; nothing turned, which compiles for seconds.
TRAIN = ["train", *FLAGS, "--precision=float32", "--steps_per_call=1", "--rotation_range=0"]
TWO = {"worker": ["a:1", "b:2"]}


def tf_config(cluster, kind="worker", index=0):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


def test_tf_config_names_the_workers():
    assert workers.find({}) is workers.find({"SLURM_STEP_NUM_TASKS": ""}) is None
    assert workers.find(tf_config(TWO, index=1)) == workers.Cluster(("a:1", "b:2"), 1, "TF_CONFIG")
    with_chief = {"chief": ["c:9"]} | TWO
    assert workers.find(tf_config(with_chief, "chief")).index == 0
    assert workers.find(tf_config(with_chief, "worker", 1)) == workers.Cluster(("c:9", "a:1", "b:2"), 2, "TF_CONFIG")


@pytest.mark.parametrize("text", [
    "{", "[]", "7", '{"cluster": {"worker": ["a:1"]}}', '{"cluster": [], "task": {}}',
    *(tf_config(*case)["TF_CONFIG"] for case in [
        (TWO, "worker", 2), (TWO, "worker", -1), (TWO, "worker", "0"), (TWO, "chief"), (TWO, None), (TWO, ["worker"]),
        ({"worker": ["a"]},), ({"worker": ["a:0"]},),
        ({"worker": ["a:65536"]},), ({"worker": "a:1"},), ({"worker": [3]},), ({"worker": ["a:1", "a:1"]},),
        ({"worker": []},), ({"chief": ["a:1", "b:1"]}, "chief"), (TWO | {"ps": ["d:4"]},)])])
def test_a_malformed_tf_config_gets_one_line(text):
    with pytest.raises(UserError, match="^TF_CONFIG: .*expected .*cluster") as error:
        workers.find({"TF_CONFIG": text})
    assert "\n" not in str(error.value)


def slurm(nodes, counts, index, tasks):
    return {"SLURM_STEP_NODELIST": nodes, "SLURM_STEP_TASKS_PER_NODE": counts, "SLURM_PROCID": str(index),
            "SLURM_STEP_NUM_TASKS": str(tasks)}


@pytest.mark.parametrize("variables, addresses", [
    (slurm("n[1-2]", "1(x2)", 1, 2), ["n1:29400", "n2:29400"]),
    (slurm("gpu[08-10,2],login", "2,1(x4)", 5, 6),
     ["gpu08:29400", "gpu08:29401", "gpu09:29400", "gpu10:29400", "gpu2:29400", "login:29400"]),
    (slurm("box", "2", 0, 2), ["box:29400", "box:29401"])])
def test_slurm_names_the_workers(variables, addresses):
    cluster = workers.find(variables)
    assert cluster == workers.Cluster(tuple(addresses), int(variables["SLURM_PROCID"]), "Slurm")


@pytest.mark.parametrize("variables", [
    {"SLURM_STEP_NUM_TASKS": "2"}, {"SLURM_STEP_NUM_TASKS": "two"}, slurm("n[1-", "1(x2)", 0, 2),
    slurm("n1", "1(x2)", 0, 2), slurm("n1", "2", 2, 2),
    slurm("n1", "two", 0, 2), slurm("n1", "2", 0, 3)])
def test_slurm_variables_that_do_not_fit_get_one_line(variables):
    with pytest.raises(UserError, match="Slurm's variables"):
        workers.find(variables)
    assert workers.find(variables | {"SLURM_STEP_NUM_TASKS": "1"}) is None


def roll_call(count, configs, present=None, devices=(("/CPU:0",),) * 3):
    """Each worker's answer, None where all is well; `present` are those that come."""
    addresses, answers = tuple(f"127.0.0.1:{port}" for port in launch.free_ports(count)), {}

    def call(index):
        try:
            workers.call_roll(workers.Cluster(addresses, index, "a test"), configs[index],
                              devices[index])
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
            answers[index] = workers.call_roll(workers.Cluster(addresses, index, "a test"), config)
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
                workers.call_roll(workers.Cluster(addresses, index, "a test"), tiny.config())


def test_a_lost_worker_is_named():
    cluster = workers.Cluster(("a:1", "b:2"), 0, "a test")
    error = tf.errors.UnavailableError(None, None, "from remote target /job:worker/replica:0/task:1 while")
    assert "worker 1 (b:2) is gone" in str(workers.lost(cluster, error))
    assert "from remote target" in str(workers.lost(cluster, error))


@pytest.mark.parametrize("changes, gpus, variables, expected", [
    ({}, 0, {}, ("one_device", ("/CPU:0",))),
    ({}, 1, {}, ("one_device", ("/GPU:0",))),
    ({}, 4, {}, ("mirrored", ("/GPU:0", "/GPU:1", "/GPU:2", "/GPU:3"))),
    (dict(num_devices=2), 4, {}, ("mirrored", ("/GPU:0", "/GPU:1"))),
    (dict(num_devices=1), 4, {}, ("one_device", ("/GPU:0",))),
    (dict(strategy="one_device"), 4, {}, ("one_device", ("/GPU:0",))),
    (dict(logical_cpus=2), 0, {}, ("mirrored", ("/CPU:0", "/CPU:1"))),
    ({}, 2, tf_config(TWO), ("multi_worker", ("/GPU:0", "/GPU:1"))),
    (dict(strategy="mirrored"), 2, tf_config(TWO), ("mirrored", ("/GPU:0", "/GPU:1")))])
def test_layouts(changes, gpus, variables, expected):
    found = layout.decide(tiny.config(**changes), gpus, variables)
    assert (found.strategy, found.devices) == expected


@pytest.mark.parametrize("changes, gpus, variables, message", [
    (dict(strategy="mirrored"), 0, {}, "--strategy=mirrored: no GPU is visible"),
    (dict(num_devices=2), 0, {}, "--num_devices=2: .*no visible GPU"),
    (dict(num_devices=3), 2, {}, "--num_devices=3: there are 2 GPUs; ask for at most 2"),
    (dict(num_devices=5, logical_cpus=4), 0, {}, "--num_devices=5: there are 4 logical CPUs"),
    (dict(strategy="one_device", num_devices=2), 2, {}, "--strategy=one_device --num_devices=2"),
    (dict(strategy="multi_worker"), 0, {}, "--strategy=multi_worker: neither TF_CONFIG nor Slurm"),
    (dict(strategy="multi_worker", logical_cpus=2), 0, tf_config(TWO), "--logical_cpus=2: a worker's CPU is one"),
    (dict(batch_size=15), 2, {}, "--batch_size=15: 2 replicas need a multiple of 2; take 14 or 16"),
    (dict(batch_size=1), 2, {}, "take 2$"),
    (dict(batch_size=18, cutmix=1.0), 2, {}, "a multiple of 4; take 16 or 20"),
    (dict(sync_batch_norm=True, xla="on"), 2, {}, "--sync_batch_norm --xla=on")])
def test_what_does_not_fit_gets_one_line(changes, gpus, variables, message):
    with pytest.raises(UserError, match=message) as error:
        layout.decide(tiny.config(**changes), gpus, variables)
    assert "\n" not in str(error.value)


def test_launch_shows_all_workers_and_fails_with_the_first(capfd):
    assert launch.launch(2, ["recipes"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert any(line.startswith("[worker 1] quickstart") for line in lines)
    assert any(line.startswith("quickstart") for line in lines)
    assert launch.launch(2, ["train", "--epochs=0"]) == 1
    assert "[worker 1] cifar_fast: --epochs=0" in capfd.readouterr().err


def test_launched_workers_have_cores_of_their_own(monkeypatch):
    monkeypatch.setattr(launch.os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(launch.environment, "usable_cores", lambda: 8)
    assert [launch.share_of_cores(i, 3) for i in range(3)] == [{0, 1}, {2, 3}, {4, 5}]


def start(workdir, addresses, *more):
    """Two workers; the second trains as if on another machine, where there is no such run directory.

    Each has a core of its own, as the logical devices have a thread: a convolution's sums depend on their number."""
    children = []
    for index in range(2):
        own = launch.share_of_cores(index, 2)
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        place = workdir if index == 0 else workdir.parent / "not there"
        children.append(Command(*TRAIN, f"--workdir={place}", *more, cores=own,
                                variables={"TF_CONFIG": json.dumps(config)}))
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
    run(*TRAIN, "--logical_cpus=2", "--steps_per_call=20", f"--workdir={whole}")
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
