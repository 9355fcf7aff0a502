"""What is known of the processor."""
import os

import pytest

from cifar_fast.system import processor


def test_cores_are_those_of_the_affinity_mask():
    allowed = os.sched_getaffinity(0)
    assert 1 <= processor.usable_cores() <= len(allowed)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert processor.usable_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_linux_names_the_processor_and_its_instructions():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        text = file.read()
    assert processor.name() in text and processor.flags() <= set(text.split())


CGROUPS = {  # /proc/self/cgroup, /proc/self/mountinfo, the limits' files, and the cores that they leave of eight
    "v2, in a container": ("0::/", "31 23 0:26 / {}/all rw - cgroup2 cgroup rw", {"all/cpu.max": "200000 100000"}, 2),
    "v2, without a limit": ("0::/", "31 23 0:26 / {}/all rw - cgroup2 cgroup rw", {"all/cpu.max": "max 100000"}, 8),
    "v2, a systemd scope": ("0::/user.slice/run-1.scope", "31 23 0:26 / {}/all rw,nosuid shared:4 - cgroup2 cgroup2 rw",
                            {"all/user.slice/run-1.scope/cpu.max": "300000 100000"}, 3),
    "v2, on a parent": ("0::/a/b/c", "31 23 0:26 / {}/all rw - cgroup2 cgroup rw",
                        {"all/a/cpu.max": "150000 50000", "all/a/b/c/cpu.max": "max 100000"}, 3),
    "v2, the least counts": ("0::/a/b", "31 23 0:26 / {}/all rw - cgroup2 cgroup rw",
                             {"all/a/cpu.max": "20000 100000", "all/a/b/cpu.max": "400000 100000"}, 1),
    "v1": ("5:memory:/\n3:cpu,cpuacct:/jobs/7\n1:name=systemd:/",
           "32 31 0:29 / {}/memory rw - cgroup cgroup rw,memory\n3 1 0:3 / {}/time rw - cgroup cgroup rw,cpu,cpuacct",
           {"time/jobs/7/cpu.cfs_quota_us": "400000", "time/jobs/7/cpu.cfs_period_us": "100000",
            "time/cpu.cfs_quota_us": "-1", "time/cpu.cfs_period_us": "100000"}, 4),
    "v1, in a container": ("4:cpu:/docker/1a", "33 31 0:30 /docker/1a {}/time\\040rw ro - cgroup cgroup rw,cpu",
                           {"time rw/cpu.cfs_quota_us": "500000", "time rw/cpu.cfs_period_us": "100000"}, 5),
    "v1 beside v2": ("4:cpu:/jobs\n0::/scope", "33 31 0:30 / {}/time rw - cgroup cgroup rw,cpu\n"
                     "34 31 0:31 / {}/unified rw - cgroup2 cgroup2 rw",
                     {"time/jobs/cpu.cfs_quota_us": "600000", "time/jobs/cpu.cfs_period_us": "100000"}, 6),
    "no such kernel": ("", "", {}, 8),
}


@pytest.mark.parametrize("groups, mounts, limits, cores", CGROUPS.values(), ids=CGROUPS)
def test_quotas_of_all_cgroups_above_count(groups, mounts, limits, cores, tmp_path, monkeypatch):
    (tmp_path / "cgroup").write_text(groups)
    (tmp_path / "mountinfo").write_text(mounts.replace("{}", str(tmp_path)))
    for name, text in limits.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    monkeypatch.setattr(processor, "PROCESS", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert processor.usable_cores() == cores
