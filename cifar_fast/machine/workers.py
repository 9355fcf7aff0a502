"""What workers settle outside of TensorFlow: the roll call before they begin, the chief's end, and who was lost."""
import contextlib
import json
import os
import re
import socket
import time

from cifar_fast.config import FREE
from cifar_fast.errors import UserError, short

MAY_DIFFER = set(FREE) - {"eval_every", "tta"}  # these two say what the workers sum, and when


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
            except (OSError, ValueError, TypeError, IndexError):
                pass  # no worker, or not yet
            if missing and not problem and time.monotonic() > deadline:
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
    while True:
        try:
            with socket.create_connection(_host_and_port(cluster.addresses[0]), 5) as connection:
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
    port = _host_and_port(cluster.addresses[cluster.index])[1]
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


def _cannot_listen(cluster, error):
    return (f"{cluster.name(cluster.index)}: can't listen there ({error.strerror}); free the port, or give all workers "
            "another")


def keep_off_proxies(cluster):
    """The workers' connections are gRPC's, which would send them through the proxy that `http_proxy` names. It looks at
    `no_grpc_proxy` first, and only without that at `no_proxy`."""
    others = os.environ.get("no_grpc_proxy", os.environ.get("no_proxy", "")).split(",")
    hosts = {_host_and_port(address)[0] for address in cluster.addresses}
    os.environ["no_grpc_proxy"] = ",".join(filter(None, [*others, *sorted(hosts - set(others))]))


def _host_and_port(address):
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def outlive(cluster):
    """The chief waits here until the others' processes have ended, 10 s at most: TensorFlow in them holds on to it, and
    would report its end as an error."""
    deadline = time.monotonic() + 10
    for address in cluster.addresses[1:] if cluster.index == 0 else ():
        while time.monotonic() < deadline:
            try:
                socket.create_connection(_host_and_port(address), 1).close()
            except OSError:
                break
            time.sleep(0.1)


def lost(cluster, error):
    """The `UserError` for a collective that failed (a `tf.errors.OpError`): names the worker that TensorFlow names."""
    named = [int(n) for n in re.findall(r"/task:(\d+)", str(error)) if int(n) != cluster.index]
    others = [i for i in range(len(cluster.addresses)) if i != cluster.index]
    who = " or ".join(map(cluster.name, [i for i in named[:1] if i in others] or others))
    return UserError(f"{who} is gone, or does not answer ({short(error.message)}): worker {cluster.index} stops; start "
                     "all workers again, and the run goes on from its last checkpoint")
