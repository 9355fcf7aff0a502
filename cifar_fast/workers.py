"""Who the workers of a run are, as TF_CONFIG or Slurm says; the roll call before they begin, and who was lost.

A worker is a process, on this machine or another, that trains one share of each batch. Worker 0 is the chief: it alone
writes the run directory.
"""
import contextlib
import json
import re
import socket
import time
from dataclasses import dataclass

from cifar_fast.config import FREE
from cifar_fast.errors import UserError, short

SLURM_PORT = 29400  # the first task's on each node; the second takes the next
ADDRESS = r"[^\s:]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}"
MAY_DIFFER = set(FREE) - {"eval_every", "tta"}  # these two say what the workers sum, and when
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


def find(variables):
    """The `Cluster` that environment variables name: TF_CONFIG's, else Slurm's, else None.

    Raises:
      UserError: TF_CONFIG or Slurm's variables that don't make sense.
    """
    if variables.get("TF_CONFIG"):
        return _of_tf_config(variables["TF_CONFIG"])
    if variables.get("SLURM_STEP_NUM_TASKS", "1") not in ("", "1"):
        return _of_slurm(variables)
    return None


def _of_tf_config(text):
    try:
        value = json.loads(text)
        cluster, (kind, index) = dict(value["cluster"]), (value["task"][k] for k in ("type", "index"))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(f"TF_CONFIG: no cluster and task in it ({error!r}); expected {FORM}") from None
    groups = [cluster.pop("chief", []), cluster.pop("worker", [])]
    if cluster:
        raise UserError(f"TF_CONFIG: cluster has {', '.join(cluster)}, but only workers, and one chief, train here; "
                        f"expected {FORM}")
    for group in groups:
        wrong = [a for a in group if not _is_address(a)] if isinstance(group, list) else [group]
        if wrong:
            raise UserError(f"TF_CONFIG: {wrong[0]!r} is not an address, host:port; expected {FORM}")
    addresses = tuple(groups[0] + groups[1])
    if len(set(addresses)) < len(addresses) or len(groups[0]) > 1:
        raise UserError(f"TF_CONFIG: an address comes twice, or there is more than one chief; expected {FORM}")
    places = {"chief": range(len(groups[0])), "worker": range(len(groups[0]), len(addresses))}.get(str(kind), ())
    if type(index) is not int or not 0 <= index < len(places):
        raise UserError(f"TF_CONFIG: task {kind!r}, {index!r} is not in the cluster; expected {FORM}")
    return Cluster(addresses, places[index], "TF_CONFIG")


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


def call_roll(cluster, config, devices=("/CPU:0",)):
    """Waits until every worker is there and trains the same, on devices of the same names: each tells the chief, on the
    address that TensorFlow takes after, and hears from it. TensorFlow itself would wait without end for a worker that
    never comes, or can't listen.

    Raises:
      UserError: one didn't come within `config.worker_timeout` seconds, or was started with other flags, addresses,
        devices or another precision; or this worker's address can't be used.
    """
    lines = config.flag_lines(without=MAY_DIFFER)
    lines += [f"devices:{','.join(devices)}", f"workers:{','.join(cluster.addresses)}"]
    deadline = time.monotonic() + config.worker_timeout
    if cluster.index == 0:
        problem = _call(cluster, lines, deadline)
    else:
        problem = _answer(cluster, lines, deadline, config.worker_timeout + 5)  # the chief gives up before
    if problem:
        raise UserError(problem)


def _call(cluster, lines, deadline):
    """The chief's side. Returns what is wrong, or "", as all who came are told."""
    missing, present, problem = set(range(1, len(cluster.addresses))), {}, ""
    try:
        server = _listening(cluster)
    except OSError as error:
        return _cannot_listen(cluster, error)
    with server:
        while missing and not problem:
            try:
                server.settimeout(max(0.01, deadline - time.monotonic()))
                connection = server.accept()[0]
                connection.settimeout(5)
                index, theirs = json.loads(connection.makefile().readline())
                different = sorted(set(lines) ^ set(theirs))
                if different:
                    problem = (f"{cluster.name(index)} has other flags, devices or addresses than the chief "
                               f"({' '.join(different)}); give all workers the same")
                present[index] = connection
                missing.discard(index)
                if not missing:  # some may have left while they waited for the others
                    missing = {i for i, waiting in present.items() if _has_left(waiting)}
            except (OSError, ValueError, TypeError, IndexError):  # no worker, or not yet
                if time.monotonic() > deadline:
                    problem = (f"{', '.join(map(cluster.name, sorted(missing)))} did not come; start it, check that it "
                               f"can reach {cluster.addresses[0]}, or wait longer with --worker_timeout")
    for connection in present.values():
        with connection, contextlib.suppress(OSError):
            connection.setblocking(True)
            connection.sendall(json.dumps(problem).encode() + b"\n")
    return problem


def _has_left(connection):
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:  # nothing more to say, and there
        return False
    except OSError:
        return True


def _answer(cluster, lines, deadline, patience):
    """Another worker's side: what the chief says within so many seconds of being called, or that it doesn't answer."""
    try:
        _listening(cluster).close()
    except OSError as error:
        return _cannot_listen(cluster, error)
    host, _, port = cluster.addresses[0].rpartition(":")
    while True:
        try:
            with socket.create_connection((host.strip("[]"), int(port)), 5) as connection:
                connection.sendall(json.dumps([cluster.index, lines]).encode() + b"\n")
                connection.settimeout(patience)
                return json.loads(connection.makefile().readline())
        except (OSError, ValueError) as error:
            if time.monotonic() > deadline:
                return (f"{cluster.name(0)} did not answer worker {cluster.index} ({error}); start it, check the "
                        "address, or wait longer with --worker_timeout")
            time.sleep(0.2)


def _listening(cluster):
    """A server's socket on the port of this worker's own address, for IPv6, too, where the machine has it."""
    port = int(cluster.addresses[cluster.index].rpartition(":")[2])
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


def _cannot_listen(cluster, error):
    return (f"{cluster.name(cluster.index)}: can't listen there ({error.strerror}); free the port, or give all workers "
            "another")


def outlive(cluster, seconds=10.0):
    """The chief waits here until the others' processes have ended, so long at most: TensorFlow in them holds on to it,
    and would report its end as an error."""
    deadline = time.monotonic() + seconds
    for address in cluster.addresses[1:] if cluster.index == 0 else ():
        host, _, port = address.rpartition(":")
        while time.monotonic() < deadline:
            try:
                socket.create_connection((host.strip("[]"), int(port)), 1).close()
            except OSError:
                break
            time.sleep(0.1)


def lost(cluster, error):
    """The `UserError` for a collective that failed (a `tf.errors.OpError`): names the worker that TensorFlow names."""
    named = [int(n) for n in re.findall(r"/task:(\d+)", str(error)) if int(n) != cluster.index]
    who = cluster.name(named[0]) if named and named[0] < len(cluster.addresses) else "another worker"
    return UserError(f"{who} is gone, or does not answer ({short(error.message)}): worker {cluster.index} stops; start "
                     "all workers again, and the run goes on from its last checkpoint")
