"""Tables of the choice of a node: who may have a session, what each scheduler prefers, what keeps a client on one."""

import collections

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancer.core.choose_node import NodeView, Wish, choose_node, fitness
from balancer.core.fading import Fading
from balancer.core.node_health import NodeHealth
from balancer.core.persistence import persistence_key
from balancer.core.routes import pool_of
from cluster.balancer_settings import Pool, Route, Service
from cluster.health import NodeState


def view(node: str, state: NodeState = NodeState.READY, up: bool = True, **known: float) -> NodeView:
    return msgspec.structs.replace(NodeView(NodeHealth(node, up=up, state=state)), **known)


@pytest.mark.parametrize(
    ("nodes", "avoid", "chosen"),
    [
        ([view("a", sessions=2), view("b", sessions=1)], "", "b"),
        ([view("a"), view("b")], "", "a"),
        ([view("a"), view("b")], "a", "b"),
        ([view("a", up=False), view("b", NodeState.DRAINING)], "", "b"),
        ([view("a", NodeState.DRAINING), view("b", NodeState.JOINING)], "", "b"),
        ([view("a", NodeState.FAILED)], "", None),
        ([], "", None),
        # down nodes are knocked at only where nobody else is left to ask
        ([view("a", up=False), view("b", NodeState.FAILED)], "", "a"),
        ([view("a", up=False), view("b", NodeState.FAILED)], "a", None),
        ([view("a", up=False, sessions=1), view("b", up=False)], "", "b"),
        ([view("a", up=False), view("b", up=False)], "b", "a"),
        ([view("a", up=False), view("b")], "b", "a"),
        ([view("a", up=False), view("b"), view("c")], "b", "c"),
        ([view("a", up=False), view("b", sessions=1, max_sessions=1)], "", None),
        # full ones are not chosen
        ([view("a", sessions=1, max_sessions=1), view("b", sessions=5, max_sessions=6)], "", "b"),
        ([view("a", sessions=1, max_sessions=1), view("b", sessions=9)], "b", None),
        ([view("a", sessions=1, max_sessions=1), view("b", NodeState.DRAINING)], "", "b"),
    ],
)
def test_who_may_have_a_session(nodes: list[NodeView], avoid: str, chosen: str | None) -> None:
    assert choose_node(nodes, Wish(avoid=frozenset(avoid))).node == chosen
    keyed = choose_node(nodes, Wish(avoid=frozenset(avoid), key="192.0.2.1")).node
    assert (keyed is None) == (chosen is None)


@pytest.mark.parametrize(
    ("nodes", "mirrors", "chosen"),
    [
        ([view("a", read_only=True), view("b", sessions=9)], False, "b"),
        ([view("a", read_only=True), view("b", sessions=9)], True, "a"),
        ([view("a", read_only=True)], False, None),
        # a mirror that is up says nothing of whether probes of the others are right
        ([view("a", read_only=True), view("b", up=False)], False, "b"),
        ([view("a", read_only=True), view("b", up=False)], True, "a"),
    ],
)
def test_a_read_only_node_has_the_sessions_that_change_nothing(nodes, mirrors, chosen) -> None:
    choice = choose_node(nodes, Wish(mirrors=mirrors))
    assert choice.node == chosen
    if not mirrors:
        assert choice.verdicts["a"] == "read-only"


def test_a_session_that_moves_is_taken_by_a_full_node_too() -> None:
    full = [view("a", sessions=1, max_sessions=1)]
    assert choose_node(full, Wish()).node is None
    assert choose_node(full, Wish(moves=True)).node == "a"


@pytest.mark.parametrize(
    ("scheduler", "one", "other", "chosen"),
    [
        ("least-sessions", {"sessions": 3, "recent_bytes": 0}, {"sessions": 2, "recent_bytes": 9}, "b"),
        ("least-sessions", {"sessions": 4, "weight": 3}, {"sessions": 2, "weight": 1}, "a"),
        ("least-sessions", {"sessions": 5, "weight": 2}, {"sessions": 1, "weight": 1}, "b"),
        ("round-robin", {"sessions": 9, "recent_sessions": 0.9}, {"sessions": 0, "recent_sessions": 1.0}, "a"),
        ("round-robin", {"recent_sessions": 1.0, "weight": 2}, {"recent_sessions": 0.1, "weight": 1}, "a"),
        ("least-bytes", {"sessions": 9, "recent_bytes": 5.0}, {"sessions": 0, "recent_bytes": 6.0}, "a"),
        ("least-bytes", {"recent_bytes": 50.0, "weight": 1}, {"recent_bytes": 90.0, "weight": 2}, "b"),
        ("adaptive", {"sessions": 1}, {"sessions": 1}, "a"),
        ("adaptive", {"sessions": 1, "disk_free": 0.1}, {"sessions": 3, "disk_free": 0.9}, "b"),
        ("adaptive", {"sessions": 0, "backlog_files": 5000}, {"sessions": 3}, "b"),
        ("adaptive", {"sessions": 0, "recent_failures": 4.0}, {"sessions": 2}, "b"),
        ("adaptive", {"sessions": 0, "disk_free": 0.0}, {"sessions": 98}, "b"),
    ],
)
def test_what_a_scheduler_prefers(scheduler, one, other, chosen) -> None:
    nodes = [view("a", **one), view("b", **other)]
    assert choose_node(nodes, Wish(scheduler=scheduler)).node == chosen
    assert choose_node(nodes[::-1], Wish(scheduler=scheduler)).node == chosen


@pytest.mark.parametrize(
    ("up_for_s", "sessions_of_the_other", "chosen"),
    [(0.0, 8, "old"), (0.0, 10, "new"), (10.0, 0, "old"), (10.0, 2, "new"), (20.0, 1, "new"), (9e9, 1, "new")],
)
def test_a_node_that_comes_back_gets_its_share_little_by_little(up_for_s, sessions_of_the_other, chosen) -> None:
    nodes = [view("new", up_for_s=up_for_s), view("old", sessions=sessions_of_the_other)]
    assert choose_node(nodes, Wish(slow_start_s=20.0)).node == chosen


@pytest.mark.parametrize("weights", [{"a": 1, "b": 1}, {"a": 3, "b": 1}, {"a": 1, "b": 2, "c": 5}])
@pytest.mark.parametrize("scheduler", ["round-robin", "least-sessions", "adaptive"])
def test_sessions_that_stay_are_shared_by_weight(scheduler, weights) -> None:
    given_to = collections.Counter(dict.fromkeys(weights, 0))
    rounds = 10
    for _ in range(rounds * sum(weights.values())):
        nodes = [
            view(name, weight=weight, sessions=given_to[name], recent_sessions=given_to[name])
            for name, weight in weights.items()
        ]
        given_to[choose_node(nodes, Wish(scheduler=scheduler)).node] += 1
    assert given_to == {name: rounds * weight for name, weight in weights.items()}


@given(st.floats(0, 1), st.integers(0, 10**9), st.floats(0, 1e9))
def test_no_node_is_so_unfit_that_it_costs_infinitely_much(disk_free, backlog_files, failures) -> None:
    assert 0 < fitness(view("a", disk_free=disk_free, backlog_files=backlog_files, recent_failures=failures)) <= 1


@given(st.integers(0, 2**32 - 1), st.sampled_from("abc"))
def test_a_key_keeps_its_node_while_another_one_goes(number: int, gone: str) -> None:
    nodes = [view(name, weight=weight) for name, weight in zip("abc", (1, 2, 3), strict=True)]
    before = choose_node(nodes, Wish(key=str(number))).node
    after = choose_node(nodes, Wish(key=str(number), avoid=frozenset(gone))).node
    assert before in {gone, after}


def test_keys_spread_over_the_nodes_by_weight() -> None:
    nodes = [view("a"), view("b", weight=3)]
    chosen = [choose_node(nodes, Wish(key=f"192.0.2.{n}")).node for n in range(400)]
    assert 60 < chosen.count("a") < 140


@pytest.mark.parametrize(
    ("changes", "one", "other", "together"),
    [
        ({"persistence": "client"}, ("192.0.2.1", "x"), ("192.0.2.1", "y"), True),
        ({"persistence": "client"}, ("192.0.2.1", "x"), ("192.0.2.2", "x"), False),
        ({"persistence": "client", "persistence_prefix_v4": 24}, ("192.0.2.1", "x"), ("192.0.2.2", "x"), True),
        ({"persistence": "client", "persistence_prefix_v4": 24}, ("192.0.2.1", "x"), ("192.0.3.1", "x"), False),
        ({"persistence": "client"}, ("2001:db8::1", "x"), ("2001:db8::ffff:2", "x"), True),
        ({"persistence": "client"}, ("2001:db8::1", "x"), ("2001:db8:0:1::1", "x"), False),
        ({"persistence": "account"}, ("192.0.2.1", "x"), ("198.51.100.1", "x"), True),
        ({"persistence": "account"}, ("192.0.2.1", "x"), ("192.0.2.1", "y"), False),
        ({"persistence": "client-and-account"}, ("192.0.2.1", "x"), ("192.0.2.1", "x"), True),
        ({"persistence": "client-and-account"}, ("192.0.2.1", "x"), ("192.0.2.1", "y"), False),
        ({"persistence": "client-and-account"}, ("192.0.2.1", "x"), ("192.0.2.2", "x"), False),
    ],
)
def test_what_keeps_sessions_together(changes, one, other, together) -> None:
    service = msgspec.structs.replace(Service(site="ingest", port=21), **changes)
    assert (persistence_key(service, *one) == persistence_key(service, *other)) is together


def test_without_persistence_there_is_no_key() -> None:
    assert persistence_key(Service(site="ingest", port=21, persistence="none"), "192.0.2.1", "x") is None


def test_a_fading_sum_halves_with_every_half_life() -> None:
    found = Fading(10.0).plus(8, 100.0)
    assert [found.now(now_s) for now_s in (100.0, 110.0, 130.0)] == [8, 4, 1]
    assert found.plus(4, 110.0).now(120.0) == 4


POOL = Pool(nodes=("a", "b"), backup=("c",))


@pytest.mark.parametrize(
    ("nodes", "avoid", "chosen"),
    [
        ([view("a"), view("b"), view("c"), view("d")], "", "a"),
        ([view("a", sessions=9), view("b", sessions=8), view("c"), view("d")], "", "b"),
        ([view("a", up=False), view("b", NodeState.FAILED), view("c", sessions=99), view("d")], "", "c"),
        ([view("a", up=False), view("b", NodeState.JOINING), view("c"), view("d")], "", "c"),
        ([view("a", NodeState.JOINING), view("b", up=False), view("c", NodeState.JOINING), view("d")], "", "a"),
        ([view("a", up=False), view("b", up=False), view("c", up=False), view("d")], "", "a"),
        ([view("a"), view("b", up=False), view("c"), view("d")], "a", "c"),
        ([view("a"), view("b"), view("c"), view("d")], "abc", None),
        ([view("d")], "", None),
    ],
)
def test_a_session_stays_in_its_pool_and_goes_to_a_backup_only_for_want_of_others(nodes, avoid, chosen) -> None:
    assert choose_node(nodes, Wish(pool=POOL, avoid=frozenset(avoid))).node == chosen


def test_of_every_node_that_was_looked_at_the_choice_says_why() -> None:
    nodes = [
        view("a", sessions=1, max_sessions=1), view("b", up=False), view("c"), view("d"), view("e", sessions=2),
        view("f", NodeState.DRAINING), view("g"),
    ]  # fmt: skip
    pool = Pool(nodes=("a", "b", "d", "e", "f", "g"), backup=("c",))
    choice = choose_node(nodes, Wish(pool=pool, avoid=frozenset("g")))
    assert choice.node == "d"
    assert choice.verdicts == {
        "a": "full",
        "b": "down: not probed yet",
        "c": "a backup, and not needed",
        "d": "chosen: costs 1 by least-sessions",
        "e": "costs 3 by least-sessions",
        "f": "draining: not probed yet",
        "g": "tried already",
    }
    keyed = choose_node([view("a"), view("b")], Wish(key="192.0.2.7"))
    assert sorted(keyed.verdicts.values()) == ["another one is for 192.0.2.7", "chosen: always for 192.0.2.7"]


@pytest.mark.parametrize(
    ("nodes", "full"),
    [
        ([view("a", sessions=1, max_sessions=1), view("b", sessions=1, max_sessions=1)], True),
        ([view("a", sessions=1, max_sessions=1), view("b", up=False)], True),
        ([view("a", sessions=1, max_sessions=1), view("b")], False),
        ([view("a", NodeState.FAILED)], False),
    ],
)
def test_waiting_may_help_only_where_a_node_is_full(nodes, full) -> None:
    assert choose_node(nodes, Wish()).full is full


@pytest.mark.parametrize(("backlog_files", "chosen"), [(0, "a"), (1, "b")])
def test_a_download_avoids_a_node_that_lacks_files(backlog_files, chosen) -> None:
    nodes = [view("a", backlog_files=backlog_files), view("b", sessions=5)]
    assert choose_node(nodes, Wish(reads=True)).node == chosen
    assert choose_node(nodes, Wish()).node == "a"


ROUTES = Service(
    site="ingest",
    port=21,
    pool="rest",
    routes=(
        Route(pool="stations", accounts=("station",)),
        Route(pool="office", networks=("198.51.100.0/24", "2001:db8::/32")),
        Route(pool="both", accounts=("desk",), networks=("203.0.113.0/24",)),
    ),
)
POOLS = {name: Pool(nodes=(name,)) for name in ("rest", "stations", "office", "both")}


@pytest.mark.parametrize(
    ("account", "client", "pool"),
    [
        ("station", "192.0.2.7", "stations"),
        ("station", "198.51.100.7", "stations"),  # the first that matches
        ("desk", "198.51.100.7", "office"),
        ("desk", "2001:db8::7", "office"),
        ("desk", "203.0.113.7", "both"),
        ("other", "203.0.113.7", "rest"),
        ("desk", "192.0.2.7", "rest"),
    ],
)
def test_the_first_route_that_matches_names_the_pool(account, client, pool) -> None:
    assert pool_of(ROUTES, POOLS, account, client) == POOLS[pool]


def test_without_routes_and_pool_every_node_will_do() -> None:
    assert pool_of(Service(site="ingest", port=21), {}, "station", "192.0.2.7") is None
