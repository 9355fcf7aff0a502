"""Who the workers are, by TF_CONFIG and by Slurm."""
import json

import pytest

from cifar_fast.errors import UserError
from cifar_fast.machine.cluster import Cluster, find_cluster
from tests.support.clusters import TWO, tf_config


def test_tf_config_names_the_workers():
    assert find_cluster({}) is find_cluster({"SLURM_STEP_NUM_TASKS": ""}) is None
    assert find_cluster(tf_config(TWO, index=1)) == Cluster(("a:1", "b:2"), 1, "TF_CONFIG")
    assert find_cluster(tf_config({"worker": ["[::1]:5", "b:2"]})).addresses == ("[::1]:5", "b:2")
    with_chief = {"chief": ["c:9"]} | TWO
    assert find_cluster(tf_config(with_chief, "chief")).index == 0
    assert find_cluster(tf_config(with_chief, "worker", 1)) == Cluster(("c:9", "a:1", "b:2"), 2, "TF_CONFIG")


def test_tf_config_as_platforms_write_it():
    for empty in ("ps", "evaluator", "chief"):
        assert find_cluster(tf_config({empty: []} | TWO, index="1")) == Cluster(("a:1", "b:2"), 1, "TF_CONFIG")
    with_master = {"master": ["c:9"]} | TWO
    assert find_cluster(tf_config(with_master, "master", "0")) == Cluster(("c:9", "a:1", "b:2"), 0, "TF_CONFIG")
    assert find_cluster(tf_config(with_master, "worker", 1)).index == 2
    text = json.dumps(json.loads(tf_config(TWO)["TF_CONFIG"]) | {"environment": "cloud", "rpc_layer": "grpc"})
    assert find_cluster({"TF_CONFIG": text}).addresses == ("a:1", "b:2")


def test_a_job_of_one_process_has_one_worker_or_none():
    for kind in ("worker", "chief", "master"):
        assert find_cluster(tf_config({kind: ["a:1"], "ps": []}, kind)) == Cluster(("a:1",), 0, "TF_CONFIG")
    for text in ("{}", '{"environment": "cloud"}', '{"cluster": {}, "task": {}}', '{"cluster": {"worker": []}}'):
        assert find_cluster({"TF_CONFIG": text}) is None


@pytest.mark.parametrize("text", [
    "{", "[]", "7", '{"cluster": 7}', '{"cluster": {"worker": ["a:1"]}}', '{"cluster": [], "task": {}}',
    *(tf_config(*case)["TF_CONFIG"] for case in [
        (TWO, "worker", 2), (TWO, "worker", -1), (TWO, "worker", "2"), (TWO, "worker", "-1"), (TWO, "worker", "x"),
        (TWO, "worker", True), (TWO, "worker", 0.0), (TWO, "chief"), (TWO, None), (TWO, ["worker"]),
        ({"worker": ["a"]},), ({"worker": ["a:0"]},),
        ({"worker": ["a:65536"]},), ({"worker": "a:1"},), ({"worker": [3]},), ({"worker": ["a:1", "a:1"]},),
        ({"chief": ["a:1", "b:1"]}, "chief"), ({"chief": ["a:1"], "master": ["b:1"]}, "chief"),
        (TWO | {"chief": ["c:9"]}, "master"), (TWO | {"ps": ["d:4"]},)])])
def test_a_malformed_tf_config_gets_one_line(text):
    with pytest.raises(UserError, match="^TF_CONFIG: .*expected .*cluster") as error:
        find_cluster({"TF_CONFIG": text})
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
    cluster = find_cluster(variables)
    assert cluster == Cluster(tuple(addresses), int(variables["SLURM_PROCID"]), "Slurm")


@pytest.mark.parametrize("variables", [
    {"SLURM_STEP_NUM_TASKS": "2"}, {"SLURM_STEP_NUM_TASKS": "two"}, slurm("n[1-", "1(x2)", 0, 2),
    slurm("n1", "1(x2)", 0, 2), slurm("n1", "2", 2, 2),
    slurm("n1", "two", 0, 2), slurm("n1", "2", 0, 3)])
def test_slurm_variables_that_do_not_fit_get_one_line(variables):
    with pytest.raises(UserError, match="Slurm's variables"):
        find_cluster(variables)
    assert find_cluster(variables | {"SLURM_STEP_NUM_TASKS": "1"}) is None
