"""The lab's faults: every part is killed once in every round, one after another."""

import itertools
import random

from compose.lab.fault import kill_plans


def test_every_round_meets_every_part() -> None:
    plans = kill_plans(["node1", "node2"], random.Random(1))
    for _ in range(3):
        round_ = list(itertools.islice(plans, 7))
        killed = [part for plan in round_ for part in plan.parts]
        assert set(killed) == {"node1.ftpnode", "node1.replicator", "node2.ftpnode", "node2.replicator", "balancer"}
        assert len({plan.what for plan in round_}) == 7


def test_the_same_seed_gives_the_same_faults() -> None:
    one, two = (list(itertools.islice(kill_plans(["a", "b"], random.Random(7)), 20)) for _ in range(2))
    assert one == two
