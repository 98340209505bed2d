"""The lab's faults: every round kills every part, one after another, and stops some."""

import itertools
import random

import pytest

from compose.lab.fault import Blow, Chaos, Hit, fault_plans

NODE_PARTS = {"node1.ftpnode", "node1.replicator", "node2.ftpnode", "node2.replicator"}


@pytest.mark.parametrize(
    ("chaos", "length", "parts"), [(Chaos.NODES, 9, NODE_PARTS), (Chaos.ALL, 10, NODE_PARTS | {"balancer"})]
)
def test_every_round_meets_every_part_that_may_be_broken(chaos: Chaos, length: int, parts: set[str]) -> None:
    plans = fault_plans(["node1", "node2"], chaos, random.Random(1))
    stopped = set()
    for _ in range(10):
        round_ = list(itertools.islice(plans, length))
        kills = [plan for plan in round_ if plan.blow is Blow.KILL]
        assert {part for plan in kills for part in plan.parts} == parts
        assert len({plan.what for plan in round_}) == length
        assert len(kills) == length - 3
        stopped |= {plan.what for plan in round_ if plan.blow is Blow.STOP}
        assert {plan.what for plan in round_ if plan.hit is Hit.BALANCER} == {
            f"SIGKILL {part}" for part in parts - NODE_PARTS
        }
    assert len(stopped) == 6


def test_the_same_seed_gives_the_same_faults() -> None:
    one, two = (list(itertools.islice(fault_plans(["a", "b"], Chaos.ALL, random.Random(7)), 30)) for _ in range(2))
    assert one == two
