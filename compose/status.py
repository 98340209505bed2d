"""Collects how the whole cluster is: one answer or none from the balancer and from each node."""

import concurrent.futures
from typing import TypeVar

import msgspec

from cluster.ask import TIMEOUT_S, RefusedError, UnreachableError, get_document
from cluster.health import BalancerHealth, FtpnodeHealth
from cluster.settings import Settings

Health = TypeVar("Health", bound=msgspec.Struct)


class ClusterStatus(msgspec.Struct, frozen=True):
    """None stands for a program that did not answer."""

    balancer: BalancerHealth | None
    nodes: dict[str, FtpnodeHealth | None]


def cluster_status(settings: Settings) -> ClusterStatus:
    """Ask everybody at once."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=16) as pool:
        balancer = pool.submit(health, settings.balancer.management, BalancerHealth)
        nodes = {name: pool.submit(health, node.management, FtpnodeHealth) for name, node in settings.nodes.items()}
        return ClusterStatus(balancer.result(), {name: answer.result() for name, answer in nodes.items()})


def health(address: tuple[str, int], kind: type[Health], *, timeout_s: float = TIMEOUT_S) -> Health | None:
    """The health document at a management address, None when nobody gives it."""
    try:
        return get_document(address, "health", kind, timeout_s=timeout_s)
    except (UnreachableError, RefusedError):
        return None
