"""The lab's faults: every part is broken in every way in every round, one after another."""

import itertools
import random
from collections import Counter

import pytest

from compose.lab.fault import Blow, Chaos, Hit, fault_plans

NODE_PARTS = {"node1.ftpnode", "node1.replicator", "node2.ftpnode", "node2.replicator"}


@pytest.mark.parametrize(
    ("chaos", "length", "parts"), [(Chaos.NODES, 12, NODE_PARTS), (Chaos.ALL, 13, NODE_PARTS | {"balancer"})]
)
def test_every_round_meets_every_part_that_may_be_broken(chaos: Chaos, length: int, parts: set[str]) -> None:
    plans = fault_plans(["node1", "node2"], chaos, random.Random(1))
    for _ in range(3):
        round_ = list(itertools.islice(plans, length))
        assert {part for plan in round_ for part in plan.parts} == parts
        assert len({plan.what for plan in round_}) == length
        assert Counter(plan.blow for plan in round_) == {Blow.STOP: 6, Blow.KILL: length - 6}
        assert {plan.what for plan in round_ if plan.hit is Hit.BALANCER} == {
            f"SIGKILL {part}" for part in parts - NODE_PARTS
        }


def test_the_same_seed_gives_the_same_faults() -> None:
    one, two = (list(itertools.islice(fault_plans(["a", "b"], Chaos.ALL, random.Random(7)), 30)) for _ in range(2))
    assert one == two
