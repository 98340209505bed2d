"""Collects how the whole cluster is: one answer or none from the balancer and from each node."""

import concurrent.futures
from typing import TypeVar

import msgspec

from cluster.ask import TIMEOUT_S, RefusedError, UnreachableError, get_document
from cluster.health import BalancerHealth, FtpnodeHealth, NodeState
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


def why_not_well(status: ClusterStatus) -> str:
    """What is not well, in a sentence: a node that is not ready, or not used by the balancer; "" if nothing."""
    if status.balancer is None:
        return "the balancer does not answer"
    for name, node in status.nodes.items():
        if node is None:
            return f"{name} does not answer"
        if node.state is not NodeState.READY:
            return f"{name} is {node.state}: {'; '.join(node.notices)}"
    for seen in status.balancer.nodes:
        if not seen.usable:
            return f"the balancer does not use {seen.node}: {seen.why}"
    return ""


def in_sync(status: ClusterStatus) -> bool:
    """Whether all nodes are in sync at this moment."""
    return len(nodes_in_sync(status)) == len(status.nodes)


def nodes_in_sync(status: ClusterStatus) -> frozenset[str]:
    """The nodes that have heard all news, lack nothing, and know that their peers lack nothing of theirs."""
    return frozenset(name for name, node in status.nodes.items() if node is not None and _is_in_sync(node))


def has_caught_up(node: FtpnodeHealth) -> bool:
    """Whether a node has heard all news and lacks nothing."""
    replicator = node.replicator
    if replicator is None:
        return node.state is not NodeState.FAILED  # replication: none, or it is down
    return replicator.state is NodeState.READY and not replicator.wanted_files and not replicator.to_hear


def _is_in_sync(node: FtpnodeHealth) -> bool:
    peers = node.replicator.peers if node.replicator is not None else ()
    return has_caught_up(node) and all(peer.in_sync and peer.backlog_files == 0 for peer in peers)


def health(address: tuple[str, int], kind: type[Health], *, timeout_s: float = TIMEOUT_S) -> Health | None:
    """The health document at a management address, None when nobody gives it."""
    try:
        return get_document(address, "health", kind, timeout_s=timeout_s)
    except (UnreachableError, RefusedError):
        return None
