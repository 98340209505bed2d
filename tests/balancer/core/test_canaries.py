"""What canaries say of the nodes: who is to blame for what did not arrive, and when that is believed."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancer.core.canaries import Connectedness, after_round, cut_off, targets_of, why_cut_off
from balancer.core.choose_node import NodeView, Wish, choose_node
from balancer.core.node_health import NodeHealth
from cluster.balancer_settings import Pool, Probe
from cluster.health import CanaryTrip
from cluster.replication_settings import Hours, Link
from tests.kit.cluster_folder import write_cluster


def trips(text: str) -> tuple[CanaryTrip, ...]:
    """`ab` arrived from a at b, `ab-` did not."""
    return tuple(
        CanaryTrip(source=word[0], target=word[1], delay_s=None if word.endswith("-") else 0.1) for word in text.split()
    )


def view(name: str, *, cut: bool = False, full: bool = False) -> NodeView:
    return NodeView(NodeHealth(name), cut_off="cut off" if cut else "", disk_full="full" if full else "")


@pytest.mark.parametrize(
    ("round_", "blamed"),
    [
        ("", ""),
        ("ab ba", ""),
        # of two nobody knows, nor where a third was not there or does not know canaries
        ("ab- ba", ""),
        ("ab- ba-", ""),
        # the third tells
        ("ab ba ac- ca- bc- cb-", "c"),
        ("ab ba ac- ca bc- cb", "c"),
        ("ab ba ac ca- bc cb-", "c"),
        ("ab ba ac- ca bc cb-", "c"),
        # one way between two is nobody's fault
        ("ab- ba- ac ca bc cb", ""),
        ("ab- ba ac ca bc cb", ""),
        # nothing arrives anywhere: the balancer knows of nobody better
        ("ab- ba- ac- ca- bc- cb-", ""),
        # a mirror sends none
        ("ab ba am- bm-", "m"),
        ("ab- ba- am bm", ""),
        # two of four, and halves
        ("ab ba ac- ca- ad- da- bc- cb- bd- db- cd- dc-", "cd"),
        ("ab ba cd dc ac- ca- ad- da- bc- cb- bd- db-", ""),
        # a hub and its spokes
        ("ha ah hb- bh-", "b"),
        ("ha- ah- hb- bh-", ""),
        # a chain that breaks in the middle
        ("ab ba bc- cb- cd dc", ""),
    ],
)
def test_who_is_to_blame(round_: str, blamed: str) -> None:
    assert cut_off(trips(round_)) == frozenset(blamed)


_TRIPS = st.builds(
    CanaryTrip, source=st.sampled_from("abcde"), target=st.sampled_from("abcde"), delay_s=st.sampled_from([None, 0.1])
)


@given(st.lists(_TRIPS.filter(lambda trip: trip.source != trip.target)))
def test_never_are_all_to_blame_and_never_whoever_is_connected(round_: list[CanaryTrip]) -> None:
    blamed = cut_off(round_)
    assert not blamed or len({name for trip in round_ for name in (trip.source, trip.target)} - blamed) >= 2
    assert all(cut_off([trip]) == frozenset() for trip in round_)


GOOD, BAD = trips("ab ba ac ca bc cb"), trips("ab ba ac- ca- bc- cb-")


def test_it_is_believed_after_some_rounds_in_a_row_and_disbelieved_after_some() -> None:
    known: dict[str, Connectedness] = {}
    seen = []
    for round_ in (BAD, GOOD, BAD, BAD, BAD, GOOD, BAD, GOOD, GOOD, GOOD):
        known = after_round(known, round_, Probe(rise=3, fall=2))
        assert not known["a"].cut_off
        seen.append(known["c"].cut_off)
    assert seen == [False, False, False, True, True, True, True, True, True, False]


def test_of_a_node_that_had_no_part_in_a_round_nothing_is_believed() -> None:
    known = after_round({}, BAD, Probe(fall=1))
    assert known["c"].cut_off
    assert set(after_round(known, trips("ab ba"), Probe(fall=1))) == {"a", "b"}
    assert after_round(known, (), Probe()) == {}


def test_the_reason_names_the_others() -> None:
    assert why_cut_off("c", BAD) == "no canary arrives between it and a, b"
    assert "again" in why_cut_off("c", GOOD)


@pytest.mark.parametrize(
    ("nodes", "pool", "chosen"),
    [
        ([view("a", cut=True), view("b")], None, "b"),
        ([view("a", cut=True), view("b", cut=True)], None, "a"),
        ([view("a", cut=True)], None, "a"),
        # whoever has room comes before whoever has none, and a backup before both
        ([view("a", cut=True), view("b", full=True)], None, "a"),
        ([view("a", cut=True), view("b")], Pool(nodes=("a",), backup=("b",)), "b"),
        # the last of a pool stays in it
        ([view("a", cut=True), view("b")], Pool(nodes=("a",)), "a"),
    ],
)
def test_sessions_go_elsewhere_where_there_is_one(nodes: list[NodeView], pool: Pool | None, chosen: str) -> None:
    choice = choose_node(nodes, Wish(pool=pool))
    assert choice.node == chosen
    assert all(verdict == "cut off" for node, verdict in choice.verdicts.items() if node == "a" != chosen)


def test_canaries_go_where_files_go_and_may_not_be_slow(tmp_path: Path) -> None:
    settings = write_cluster(tmp_path, nodes=3).settings
    everybody = {"node1": {"node2", "node3"}, "node2": {"node1", "node3"}, "node3": {"node1", "node2"}}
    assert targets_of(settings) == everybody

    def changed(**changes: object) -> dict[str, frozenset[str]]:
        replication = msgspec.structs.replace(settings.replication, **changes)
        return targets_of(msgspec.structs.replace(settings, replication=replication))

    assert changed(mode="none") == {}
    chain = changed(mode="connections", connections=(("node1", "node2"), ("node2", "node3")))
    assert chain == {"node1": {"node2"}, "node2": {"node1", "node3"}, "node3": {"node2"}}
    night = Hours(begin="20:00", end="06:00", bytes_per_s=0)
    slow = changed(links=(Link(source="node1", target="node2", bytes_per_s=1000),
                          Link(source="node1", target="node3", schedule=(night,)),
                          Link(source="node2", target="node3", compression="off")))  # fmt: skip
    assert slow == {name: targets for name, targets in everybody.items() if name != "node1"}
    mirror = msgspec.structs.replace(settings.nodes["node3"], read_only=True)
    mirrored = msgspec.structs.replace(settings, nodes=settings.nodes | {"node3": mirror})
    assert targets_of(mirrored) == {"node1": {"node2", "node3"}, "node2": {"node1", "node3"}}
