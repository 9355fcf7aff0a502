"""Where a run trains: on one device, on several of this machine, or in several processes."""
from dataclasses import dataclass

from cifar_fast.errors import UserError
from cifar_fast.machine.cluster import Cluster, find_cluster


@dataclass(frozen=True)
class Layout:
    """strategy: "one_device", "mirrored" or "multi_worker"; devices: this process's, such as "/GPU:0"; cluster: a
    `Cluster`, of several workers only; reason: why this one, for the banner."""

    strategy: str
    devices: tuple[str, ...]
    cluster: Cluster | None
    reason: str

    @property
    def replica_count(self):
        return len(self.devices) * (len(self.cluster.addresses) if self.cluster else 1)


def decide(config, gpus, variables):
    """The `Layout` that a `Config` comes to.

    Args:
      gpus: how many are visible. variables: the environment's, a dict.
    Raises:
      UserError: what was asked for isn't there, or doesn't fit together.
    """
    cpus, asked = config.logical_cpus, config.num_devices
    kind, there = ("CPU", cpus) if cpus else ("GPU", gpus) if gpus else ("CPU", 1)
    if asked > there:
        name = f"logical {kind}" if cpus else kind
        found = f"is 1 {name}" if there == 1 else f"are {there} {name}s"
        no_gpu, hint = ("", "") if gpus else (" and no visible GPU", ", or split the CPU with --logical_cpus")
        raise UserError(f"--num_devices={asked}: there {found}{no_gpu}; ask for at most {there}{hint}")
    devices = tuple(f"/{kind}:{i}" for i in range(asked or there))
    strategy, reason, cluster = config.strategy, "asked for", None
    if strategy in ("auto", "multi_worker"):
        cluster = find_cluster(variables)
    if cluster and len(cluster.addresses) == 1:  # one process: nobody to listen for
        strategy, cluster = "auto", None
    if strategy == "auto":
        if cluster:
            strategy, reason = "multi_worker", f"{cluster.source} names {len(cluster.addresses)} workers"
        elif len(devices) > 1:
            strategy, reason = "mirrored", f"{len(devices)} devices"
        else:
            strategy, reason = "one_device", "there is one"
    if strategy == "one_device":
        if asked > 1:
            raise UserError(f"--strategy=one_device --num_devices={asked}: take --strategy=mirrored, or one device")
        devices = devices[:1]
    if strategy == "mirrored" and kind == "CPU" and not cpus:
        raise UserError("--strategy=mirrored: no GPU is visible; check nvidia-smi and that tensorflow[and-cuda] is "
                        "installed, or split the CPU with --logical_cpus=2")
    if strategy == "multi_worker":
        if cluster is None:
            raise UserError("--strategy=multi_worker: neither TF_CONFIG nor Slurm's variables say who the workers are; "
                            "start them with cifar_fast launch or srun, or set TF_CONFIG")
        if cpus:
            raise UserError(f"--strategy=multi_worker --logical_cpus={cpus}: a worker's CPU is one device; "
                            "start more workers")
    layout = Layout(strategy, devices, cluster if strategy == "multi_worker" else None, reason)
    _check_batch(config, layout)
    if config.sync_batch_norm and config.xla == "on" and strategy != "one_device":
        raise UserError("--sync_batch_norm --xla=on: a compiled program can't hold the replicas' sums; take --xla=off "
                        "or --xla=auto, or leave out --sync_batch_norm")
    return layout


def _check_batch(config, layout):
    # Mixing pairs an image with its neighbour in the batch, so both must be in one share.
    unit = layout.replica_count * (2 if config.mixup or config.cutmix else 1)
    if layout.replica_count > 1 and config.batch_size % unit:
        below, above = config.batch_size // unit * unit, -(-config.batch_size // unit) * unit
        raise UserError(f"--batch_size={config.batch_size}: {layout.replica_count} replicas need a multiple of {unit}; "
                        "take " + (f"{below} or {above}" if below else f"{above}"))
