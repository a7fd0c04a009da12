"""The machines of a plan: from cluster.yaml and the table of prices, or the one that was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from biomedica.errors import ConfigError
from biomedica.planning.assumptions import read_data
from biomedica.planning.rates import Machine

__all__ = ["Fleet", "NodeGroup", "local_fleet", "read_cluster"]


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Machines of one kind. cores, gpus, gbps, dollars an hour, disk in GB: of one of them."""

    name: str
    instance: str
    count: float
    cores: float
    gpus: float
    gpu: str | None
    gbps: float
    dollars_per_hour: float
    market: Literal["on_demand", "spot", "given", "own"]
    disk_gb: float = 0.0
    is_head: bool = False


@dataclass(frozen=True, slots=True)
class Fleet:
    """All machines of a plan. is_local: the one that was measured, which costs nothing."""

    groups: tuple[NodeGroup, ...]
    is_local: bool = False

    @property
    def cores(self) -> float:
        return sum(group.count * group.cores for group in self.groups)

    @property
    def gpus(self) -> float:
        return sum(group.count * group.gpus for group in self.groups)

    @property
    def nodes(self) -> float:
        return sum(group.count for group in self.groups)

    @property
    def gbps(self) -> float:
        return sum(group.count * group.gbps for group in self.groups)

    @property
    def gpu_gbps(self) -> float:
        """Of the nodes with GPUs, through which pixels come in."""
        return sum(group.count * group.gbps for group in self.groups if group.gpus)

    @property
    def dollars_per_hour(self) -> float:
        return sum(group.count * group.dollars_per_hour for group in self.groups)

    @property
    def disk_gb(self) -> float:
        return sum(group.count * group.disk_gb for group in self.groups)

    def scaled(self, *, cores: float = 1.0, gpus: float = 1.0, network: float = 1.0) -> Fleet:
        """So many times the nodes without GPUs, the nodes with GPUs, the bandwidth of each node.

        The head stays one. A single machine of one's own gets other cores instead.
        """

        def change(group: NodeGroup) -> NodeGroup:
            changed = replace(group, gbps=group.gbps * network)
            if self.is_local:
                return replace(changed, cores=group.cores * cores, gpus=group.gpus * gpus)
            if group.is_head:
                return changed
            return replace(changed, count=group.count * (gpus if group.gpus else cores))

        return replace(self, groups=tuple(map(change, self.groups)))

    def with_nodes(self, name: str, count: float) -> Fleet:
        """The same with so many nodes of one group."""
        groups = (replace(g, count=count) if g.name == name else g for g in self.groups)
        return replace(self, groups=tuple(groups))

    def to_dict(self) -> dict[str, Any]:
        groups = [asdict(group) for group in self.groups if group.count]
        for group in groups:  # JSON has no infinity
            group["gbps"] = None if math.isinf(group["gbps"]) else group["gbps"]
        return {"cores": self.cores, "gpus": self.gpus, "nodes": self.nodes, "groups": groups}


def local_fleet(machine: Machine) -> Fleet:
    """The machine that the rates are of. Its network is not known and limits nothing."""
    gpus = 1.0 if machine.gpu else 0.0
    group = NodeGroup(
        "this machine", machine.cpu, 1.0, machine.cores, gpus, machine.gpu, float("inf"), 0.0, "own"
    )
    return Fleet((group,), is_local=True)


def read_cluster(path: str | Path, nodes: Sequence[str] = (), prices: Sequence[str] = ()) -> Fleet:
    """The machines that a file of Ray's cluster launcher asks for, as many as it allows.

    nodes: GROUP=COUNT, in place of max_workers. prices: TYPE=DOLLARS or TYPE=DOLLARS,VCPUS[,GPUS].
    Raises ConfigError: no cluster file, no workers, an instance type without a price.
    """
    types, head = _node_types(path)
    counts = _counts(nodes, types, head)
    table = _Prices(prices)
    groups = []
    for name, kind in types.items():
        most = kind.get("max_workers", 0) if name != head else 1
        count = counts.get(name, most)
        if not isinstance(count, int | float) or isinstance(count, bool) or count < 0:
            raise ConfigError(f"{path}: max_workers of {name} is no number of nodes: write one")
        groups.append(_group(name, kind, float(count), table, path, is_head=name == head))
    if not any(group.count for group in groups if not group.is_head):
        raise ConfigError(
            f"{path} asks for no workers: give a node type max_workers, or write --nodes GROUP=COUNT"
        )
    return Fleet(tuple(groups))


def _node_types(path: str | Path) -> tuple[dict[str, Any], str]:
    import yaml

    try:
        values = yaml.safe_load(Path(path).expanduser().read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"there is no cluster file at {path}: give one by --cluster") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        what = getattr(error, "problem", None) or type(error).__name__
        raise ConfigError(f"cannot read the cluster file {path} ({what}): correct it") from None
    types = values.get("available_node_types") if isinstance(values, dict) else None
    if not isinstance(types, dict) or not all(isinstance(kind, dict) for kind in types.values()):
        raise ConfigError(f"{path} has no available_node_types: give a file of Ray's cluster launcher")
    return types, str(values.get("head_node_type", ""))


def _counts(nodes: Sequence[str], types: Mapping[str, Any], head: str) -> dict[str, float]:
    counts: dict[str, float] = {}
    for text in nodes:
        name, _, number = text.partition("=")
        if name not in types or name == head:
            known = ", ".join(one for one in types if one != head)
            raise ConfigError(f"--nodes {name[:80]!r}: no such group of workers; there are {known}")
        if not number.isdecimal():
            raise ConfigError(f"--nodes {name}: write {name}=COUNT with a whole number")
        counts[name] = float(number)
    return counts


class _Prices:
    """What machines are and cost, ours and the user's."""

    def __init__(self, overrides: Sequence[str]) -> None:
        data = read_data("prices.yaml")
        self.table: dict[str, list[Any]] = dict(data["instances"])
        self.spot_share = float(data["spot_share"])
        self.given: dict[str, list[float]] = {}
        for text in overrides:
            name, _, numbers = text.partition("=")
            try:
                values = [float(one) for one in numbers.split(",")]
            except ValueError:
                values = []
            if not name or len(values) not in (1, 2, 3) or not all(0 <= v < 1e6 for v in values):
                raise ConfigError(
                    f"--price {text[:80]!r}: write TYPE=DOLLARS an hour, or TYPE=DOLLARS,VCPUS[,GPUS]"
                )
            self.given[name] = values

    def of(
        self, instance: str, resources: Mapping[str, Any]
    ) -> tuple[float, float, float, str | None, float] | None:
        """(dollars an hour on demand, vCPUs, GPUs, kind of GPU, Gbit/s); None where it is not known."""
        entry = self.table.get(instance)
        given = self.given.get(instance)
        if entry is None and given is None:
            return None
        price, cores, gpus, kind, gbps = entry or [0.0, 0, 0, None, None]
        cores, gpus = resources.get("CPU", cores), resources.get("GPU", gpus)
        if given is not None:
            price = given[0]
            cores = given[1] if len(given) > 1 else cores
            gpus = given[2] if len(given) > 2 else gpus
        if not cores:
            return None
        # what nobody said: 0.4 Gbit/s a vCPU, as the general machines of the table have
        return float(price), float(cores), float(gpus), kind, float(gbps or 0.39 * cores)


def _group(
    name: str, kind: Mapping[str, Any], count: float, table: _Prices, path: str | Path, *, is_head: bool
) -> NodeGroup:
    node = kind.get("node_config") or {}
    instance = str(node.get("InstanceType", ""))
    found = table.of(instance, kind.get("resources") or {})
    if found is None:
        what = instance or "no InstanceType"
        raise ConfigError(
            f"{path}: nothing is known of {what!r}, the machine of {name}: write its dollars an hour, "
            f"vCPUs and GPUs, --price {instance or 'TYPE'}=1.20,16,0"
        )
    price, cores, gpus, gpu, gbps = found
    market: Literal["on_demand", "spot", "given"] = "on_demand"
    if instance in table.given:
        market = "given"
    elif (node.get("InstanceMarketOptions") or {}).get("MarketType") == "spot":
        market, price = "spot", price * table.spot_share
    disks = node.get("BlockDeviceMappings") or []
    disk = sum(float((one.get("Ebs") or {}).get("VolumeSize", 0)) for one in disks)
    return NodeGroup(name, instance, count, cores, gpus, gpu, gbps, price, market, disk, is_head)
