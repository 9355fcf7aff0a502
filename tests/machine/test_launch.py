"""Several workers started on one machine."""
from cifar_fast.machine import launch


def test_launch_shows_all_workers_and_fails_with_the_first(capfd):
    assert launch.launch(2, ["recipes"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert any(line.startswith("[worker 1] quickstart") for line in lines)
    assert any(line.startswith("quickstart") for line in lines)
    assert launch.launch(2, ["train", "--epochs=0"]) == 1
    assert "[worker 1] cifar_fast: --epochs=0" in capfd.readouterr().err


def test_launched_workers_have_cores_of_their_own(monkeypatch):
    monkeypatch.setattr(launch.os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(launch.processor, "usable_cores", lambda: 8)
    assert [launch.share_of_cores(i, 3) for i in range(3)] == [{0, 1}, {2, 3}, {4, 5}]
