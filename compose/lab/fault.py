"""What the lab breaks next: a fixed round over all parts with random pauses, so that every run meets them all."""

import random
from collections.abc import Iterator, Sequence
from enum import StrEnum

import msgspec


class Chaos(StrEnum):
    """What may be broken: the nodes, whose death no client may notice, or the balancer as well."""

    NODES = "nodes"
    ALL = "all"


class Blow(StrEnum):
    """How a part is broken: it is dead until it is started again, or hangs until it is let go on."""

    KILL = "SIGKILL"
    STOP = "SIGSTOP"


class Hit(StrEnum):
    """Whose part it is; only the balancer's own death excuses a client error."""

    NODE = "node"
    BALANCER = "balancer"


class FaultPlan(msgspec.Struct, frozen=True):
    """Break these parts at once, mend them after `down_s`, then leave the cluster alone for `rest_s`."""

    what: str
    hit: Hit
    blow: Blow
    parts: tuple[str, ...]
    down_s: float
    rest_s: float


def fault_plans(nodes: Sequence[str], chaos: Chaos, chance: random.Random) -> Iterator[FaultPlan]:
    """Faults without end: every round kills each node as a whole, each ftpnode and each replicator, and stops some.

    With `Chaos.ALL` it kills the balancer too.
    """
    targets: list[tuple[str, tuple[str, ...]]] = []
    for node in nodes:
        ftpnode, replicator = f"{node}.ftpnode", f"{node}.replicator"
        targets += [(f"{node} as a whole", (ftpnode, replicator))]
        targets += [(f"ftpnode of {node}", (ftpnode,)), (f"replicator of {node}", (replicator,))]
    kills = [(Hit.NODE, Blow.KILL, what, parts) for what, parts in targets]
    if chaos is Chaos.ALL:
        kills += [(Hit.BALANCER, Blow.KILL, "balancer", ("balancer",))]
    stops = [(Hit.NODE, Blow.STOP, what, parts) for what, parts in targets]
    while True:
        faults = kills + chance.sample(stops, len(stops) // 2)
        for hit, blow, what, parts in chance.sample(faults, len(faults)):
            down_s, rest_s = chance.uniform(0.5, 3.0), chance.uniform(0.5, 1.5)
            yield FaultPlan(f"{blow} {what}", hit, blow, parts, down_s, rest_s)
