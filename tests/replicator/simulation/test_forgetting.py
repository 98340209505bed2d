"""A row of an index that is lost together with its file: only the comparison of indexes can bring it back."""

import pytest

from replicator.peers.comparison import Comparison
from tests.replicator.simulation.history import history
from tests.replicator.simulation.judge import BrokenPromiseError
from tests.replicator.simulation.world import run

LOST = history(
    3,
    2,
    (0.5, "upload", 0, "a", "all", 5, 0.0),
    (1.0, "upload", 1, "d/x", "all", 7, 0.0),
    (4.0, "forget", 1, "a", "", 1, 0.0),
    (4.5, "forget", 0, "d/x", "", 1, 0.0),
)


def test_a_comparison_brings_back_what_was_lost_without_a_trace():
    world = run(LOST)
    told = [outcome.entries for node in world.nodes for outcome in node.engine.comparison.outcomes.values()]
    assert all(told)


def test_without_it_nothing_else_does(monkeypatch):
    async def compare_nothing(_self, _link, _digests):
        return []

    monkeypatch.setattr(Comparison, "_compare", compare_nothing)
    with pytest.raises(BrokenPromiseError, match="differ"):
        run(LOST)


def test_what_a_node_between_has_lost_comes_to_those_behind_it_once_it_was_compared():
    run(
        history(
            22484, 3,
            (1.854, "upload", 1, "b", "any-peer", 167, 2.957),
            (5.468, "rot", 2, "b", "local", 178, 0.445),
            (5.818, "forget", 1, "b", "any-peer", 65, 0.984),
            shape="chain",
        )
    )  # fmt: skip
