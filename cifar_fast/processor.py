"""The processor: its name, its instruction sets, and the cores of it that this process may use."""
import os
from pathlib import Path

# The instruction sets that decide how fast this network trains, as Linux names them.
INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_fp16")


def flags():
    """Its instruction sets as Linux names them, e.g. {"avx2", "amx_bf16"}; empty elsewhere."""
    return set(_cpuinfo("flags").split())


def name():
    """Its name, e.g. "AMD EPYC"."""
    return _cpuinfo("model name") or "unknown processor"


def usable_cores():
    """How many cores this process may really use: its affinity mask, cut by a cgroup quota if there is one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            cores = min(cores, max(1, round(int(quota) / int(period))))
    except (OSError, ValueError):
        pass  # no cgroup v2 here: the affinity mask is all that limits
    return cores


def _cpuinfo(key):
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                found, _, value = line.partition(":")
                if found.strip() == key:
                    return value.strip()
    except OSError:
        pass
    return ""
