"""The processor: its name, its instruction sets, and the cores of it that this process may use."""
import os
import re
from pathlib import Path

# The instruction sets that decide how fast this network trains, as Linux names them.
INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_fp16")
PROCESS = Path("/proc/self")


def flags():
    """Its instruction sets as Linux names them, e.g. {"avx2", "amx_bf16"}; empty elsewhere."""
    return set(_cpuinfo("flags").split())


def name():
    """Its name, e.g. "AMD EPYC"."""
    return _cpuinfo("model name") or "unknown processor"


def onednn_limit():
    """The instruction set that the user holds oneDNN to, by ONEDNN_MAX_CPU_ISA, e.g. "AVX2"; None where it may use all.

    Source: https://oneapi-src.github.io/oneDNN/dev_guide_cpu_dispatcher_control.html"""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    return None if limit in ("", "ALL", "DEFAULT") else limit


def usable_cores():
    """How many cores this process may really use: its affinity mask, cut by the quotas of its cgroups."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([cores, *(max(1, round(quota)) for quota in map(_quota, _cgroups()) if quota)])


def _cgroups():
    """The folders of the cgroups that limit this process's processor time, of version 1 or 2: its own, and those above
    it, whose limits hold for all below."""
    try:
        groups, mounts = ((PROCESS / name).read_text() for name in ("cgroup", "mountinfo"))
    except OSError:
        return []
    own, found = {}, []
    for line in groups.splitlines():  # number:controllers:path, without controllers in version 2
        _, controllers, path = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            own["cgroup" if controllers else "cgroup2"] = path
    for line in mounts.splitlines():  # number, parent, device, root, mount point, …  - kind, source, options
        before, _, after = line.partition(" - ")
        (root, point), (kind, _, options) = map(_plain, before.split()[3:5]), after.split()
        if kind in own and (kind == "cgroup2" or "cpu" in options.split(",")):
            below = Path(os.path.relpath(own[kind], root))
            # A container may see its own group alone, under another path than the one that it has outside.
            parts = () if ".." in below.parts else below.parts
            found += [Path(point, *parts[:n]) for n in range(len(parts), -1, -1)]
    return found


def _quota(folder):
    """A cgroup's limit in cores, or None."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None  # "max", or no such file: no limit here


def _plain(text):
    """As the kernel spells a path there, without the octal numbers of blanks and the like."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


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
