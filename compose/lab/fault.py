"""Which part the lab kills next: a fixed round over all parts with random pauses, so that every run meets them all."""

import random
from collections.abc import Iterator, Sequence

import msgspec


class KillPlan(msgspec.Struct, frozen=True):
    """SIGKILL these parts at once, start them again after `down_s`, then leave the cluster alone for `rest_s`."""

    what: str
    parts: tuple[str, ...]
    down_s: float
    rest_s: float


def kill_plans(nodes: Sequence[str], chance: random.Random) -> Iterator[KillPlan]:
    """Kills without end: in every round each node as a whole, each ftpnode, each replicator and the balancer."""
    targets: list[tuple[str, tuple[str, ...]]] = [
        (f"{node} as a whole", (f"{node}.ftpnode", f"{node}.replicator")) for node in nodes
    ]
    targets += [(f"ftpnode of {node}", (f"{node}.ftpnode",)) for node in nodes]
    targets += [(f"replicator of {node}", (f"{node}.replicator",)) for node in nodes]
    targets += [("balancer", ("balancer",))]
    while True:
        for what, parts in chance.sample(targets, len(targets)):
            yield KillPlan(what, parts, down_s=chance.uniform(0.5, 3.0), rest_s=chance.uniform(0.5, 1.5))
