"""A row of an index that is lost together with its file: only the comparison of indexes can bring it back."""

import msgspec
import pytest

from replicator.peers.comparison import Comparison
from tests.replicator.simulation.history import Event, history
from tests.replicator.simulation.judge import BrokenPromiseError, tree_of
from tests.replicator.simulation.world import run

LOST = history(
    3,
    2,
    (0.5, "upload", 0, "a", "all", 5, 0.0),
    (1.0, "upload", 1, "d/x", "all", 7, 0.0),
    (4.0, "forget", 1, "a", "", 1, 0.0),
    (4.5, "forget", 0, "d/x", "", 1, 0.0),
)
LOST_BETWEEN = history(
    3,
    3,
    (0.5, "upload", 0, "a", "all", 5, 0.0),
    (3.0, "damage", 1, "a", "", 1, 0.0),
    (4.0, "forget", 0, "a", "", 1, 0.0),
    shape="star",
)
"""Behind the node that has lost the row one waits for the file, and another has the only copy."""


def test_a_comparison_brings_back_what_was_lost_without_a_trace():
    world = run(LOST)
    told = [outcome.entries for node in world.nodes for outcome in node.engine.comparison.outcomes.values()]
    assert all(told)


@pytest.fixture
def nothing_compared(monkeypatch):
    async def compare_nothing(_self, _link, _digests):
        return []

    monkeypatch.setattr(Comparison, "_compare", compare_nothing)


@pytest.mark.usefixtures("nothing_compared")
def test_without_it_nothing_else_does():
    with pytest.raises(BrokenPromiseError, match="differ"):
        run(LOST)


def test_what_is_waited_for_behind_a_node_that_lost_its_row_comes_once_that_was_compared():
    world = run(LOST_BETWEEN)
    assert all("a" in tree_of(node.disk) for node in world.nodes)


@pytest.mark.usefixtures("nothing_compared")
def test_while_one_copy_is_left_waiting_is_no_excuse():
    with pytest.raises(BrokenPromiseError, match=r"n1 has still to do \['a'\]"):
        run(LOST_BETWEEN)


def test_when_no_copy_is_left_a_person_deletes_it():
    last = Event(5.0, "damage", 2, "a")
    world = run(msgspec.structs.replace(LOST_BETWEEN, events=(*LOST_BETWEEN.events, last)))
    assert not any("a" in tree_of(node.disk) for node in world.nodes)


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


def test_what_waits_behind_such_a_node_comes_after_a_comparison_too():
    run(
        history(
            31091411, 3,
            (0.072, "upload", 0, "a", "any-peer", 154, 2.935),
            (0.327, "kill", 2, "d/x", "all", 131, 2.886),
            (0.698, "local-write", 0, "d", "any-peer", 13, 5.415),
            (0.757, "upload", 1, "d/y", "any-peer", 40, 1.68),
            (1.787, "local-touch", 0, "a", "any-peer", 193, 0.018),
            (2.099, "damage", 1, "a", "all", 114, 1.803),
            (2.198, "forget", 0, "a", "all", 13, 0.019),
            (4.082, "power-cut", 0, "d", "local", 142, 0.323),
            (5.362, "reset", 2, "a", "0", 87, 0.798),
            (5.822, "upload", 0, "d", "quorum", 125, 1.885),
            shape="star",
            mirror=True,
        )
    )  # fmt: skip


def test_what_a_mirror_alone_remembers_can_be_deleted_once_a_writer_was_compared():
    run(
        history(
            7300055, 2,
            (0.088, "cut-one-way", 1, "d/y", "0", 19, 2.648),
            (0.56, "upload", 0, "a", "all", 181, 0.04),
            (1.581, "crash-at-call", 1, "d", "any-peer", 34, 0.401),
            (5.743, "forget", 0, "a", "any-peer", 41, 0.243),
            mirror=True,
        )
    )  # fmt: skip
