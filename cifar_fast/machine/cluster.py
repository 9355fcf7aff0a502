"""Who the workers of a run are, as TF_CONFIG or Slurm says.

A worker is a process, on this machine or another, that trains one share of each batch. Worker 0 is the chief: it alone
writes the run directory.
"""
import json
import re
from dataclasses import dataclass

from cifar_fast.errors import UserError

SLURM_PORT = 29400  # the first task's on each node; the second takes the next
ADDRESS = r"[^\s:]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}"
FORM = ('{"cluster": {"worker": ["host0:port", "host1:port"]}, "task": {"type": "worker", "index": 0}}, '
        "the index another on each")


@dataclass(frozen=True)
class Cluster:
    """addresses: "host:port" of each worker, the chief's first; index: this one's place; source: who says so."""

    addresses: tuple[str, ...]
    index: int
    source: str

    def name(self, index):
        return f"worker {index} ({self.addresses[index]}{', the chief' if index == 0 else ''})"


def find_cluster(variables):
    """The `Cluster` that environment variables name, maybe of one worker alone: TF_CONFIG's, else Slurm's, else None.

    Raises:
      UserError: TF_CONFIG or Slurm's variables that don't make sense.
    """
    if variables.get("TF_CONFIG"):
        return _of_tf_config(variables["TF_CONFIG"])
    if variables.get("SLURM_STEP_NUM_TASKS", "1") not in ("", "1"):
        return _of_slurm(variables)
    return None


def _of_tf_config(text):
    """As platforms write it, too: with groups that are empty, a master in place of the chief, the index as text; None
    where it names no worker at all, as for a job of one process."""
    try:
        value = json.loads(text)
        groups = {kind: addresses for kind, addresses in value.get("cluster", {}).items() if addresses}
        if not groups:
            return None
        kind, index = (value["task"][key] for key in ("type", "index"))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(f"TF_CONFIG: no cluster and task in it ({error!r}); expected {FORM}") from None
    if foreign := groups.keys() - {"chief", "master", "worker"}:
        raise UserError(f"TF_CONFIG: cluster has {', '.join(sorted(foreign))}, but only workers, and one chief, train "
                        f"here; expected {FORM}")
    for group in groups.values():
        wrong = [a for a in group if not _is_address(a)] if isinstance(group, list) else [group]
        if wrong:
            raise UserError(f"TF_CONFIG: {wrong[0]!r} is not an address, host:port; expected {FORM}")
    chiefs, others = groups.get("chief", []) + groups.get("master", []), groups.get("worker", [])
    addresses = (*chiefs, *others)
    if len(set(addresses)) < len(addresses) or len(chiefs) > 1:
        raise UserError(f"TF_CONFIG: an address comes twice, or there is more than one chief; expected {FORM}")
    places = range(len(chiefs), len(addresses)) if kind == "worker" else range(len(groups.get(str(kind), [])))
    if not re.fullmatch(r"\d{1,9}", str(index)) or int(index) not in range(len(places)):
        raise UserError(f"TF_CONFIG: task {kind!r}, {index!r} is not in the cluster; expected {FORM}")
    return Cluster(addresses, places[int(index)], "TF_CONFIG")


def _is_address(value):
    return re.fullmatch(ADDRESS, str(value)) and 0 < int(value.rpartition(":")[2]) < 2**16


def _of_slurm(variables):
    """From srun's variables: tasks are numbered node by node, as --distribution=block does it."""
    try:
        nodes = _hosts(variables["SLURM_STEP_NODELIST"])
        counts = []
        for part in variables["SLURM_STEP_TASKS_PER_NODE"].split(","):
            count, times = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part).groups()
            counts += [int(count)] * int(times or 1)
        addresses = tuple(f"{node}:{SLURM_PORT + task}" for node, count in zip(nodes, counts, strict=True)
                          for task in range(count))
        index = int(variables["SLURM_PROCID"])
        if not 0 <= index < len(addresses) == int(variables["SLURM_STEP_NUM_TASKS"]):
            raise ValueError(f"task {index} of {len(addresses)}")
    except (KeyError, ValueError, AttributeError) as error:
        raise UserError(f"Slurm's variables SLURM_STEP_NODELIST, SLURM_STEP_TASKS_PER_NODE and SLURM_PROCID don't fit "
                        f"together ({error}); start with srun, or set TF_CONFIG") from None
    return Cluster(addresses, index, "Slurm")


def _hosts(text):
    """"gpu[01-03,7],login" → ["gpu01", "gpu02", "gpu03", "gpu7", "login"], as `scontrol show hostnames` writes them."""
    found = []
    for part in re.split(r",(?![^\[]*\])", text):  # commas outside of brackets
        match = re.fullmatch(r"([^\[\]]*)(?:\[([^\]]*)\]([^\[\]]*))?", part)
        if match is None:
            raise ValueError(f"nodes {part}")
        before, ranges, after = match.groups()
        if ranges is None:
            found.append(before)
            continue
        for item in ranges.split(","):
            low, _, high = item.partition("-")
            found += [f"{before}{n:0{len(low)}}{after}" for n in range(int(low), int(high or low) + 1)]
    return found
