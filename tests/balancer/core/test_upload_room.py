"""Whose disk is full: where uploads go then, and what clients read when they can go nowhere."""

import pytest

from balancer.core import actions as a
from balancer.core import events as e
from balancer.core.choose_node import NodeView, Wish, choose_node
from balancer.core.node_health import NodeHealth
from balancer.core.upload_room import Room, room_for_upload
from cluster.balancer_settings import Pool
from cluster.health import NodeState
from tests.balancer.core.test_transfers import offered, passive
from tests.kit.transcript import Transcript


def node(name: str, state: NodeState = NodeState.READY, *, full: bool = False, up: bool = True, **known) -> NodeView:
    return NodeView(NodeHealth(name, up=up, state=state), disk_full="its disk is full" if full else "", **known)


@pytest.mark.parametrize(
    ("nodes", "at", "room"),
    [
        ([node("a"), node("b")], "a", Room.HERE),
        ([node("a"), node("b", full=True)], "a", Room.HERE),
        ([node("a", full=True), node("b")], "a", Room.ELSEWHERE),
        ([node("a", full=True), node("b")], "", Room.HERE),
        ([node("a", full=True), node("b", full=True)], "a", Room.NOWHERE),
        ([node("a", full=True), node("b", full=True)], "", Room.NOWHERE),
        # whoever does not serve has no room either
        ([node("a", full=True), node("b", up=False)], "a", Room.NOWHERE),
        ([node("a", full=True), node("b", NodeState.FAILED)], "a", Room.NOWHERE),
        # a mirror takes no uploads
        ([node("a", full=True), node("b", read_only=True)], "a", Room.NOWHERE),
        # one that joins or drains is not gone to for this, and yet it is not said that nobody can
        ([node("a", full=True), node("b", NodeState.JOINING)], "a", Room.HERE),
        ([node("a", full=True), node("b", NodeState.DRAINING)], "a", Room.HERE),
        # nobody serves: nobody knows
        ([node("a", full=True, up=False)], "", Room.HERE),
        ([], "", Room.HERE),
    ],
)
def test_where_an_upload_may_go(nodes: list[NodeView], at: str, room: Room) -> None:
    assert room_for_upload(nodes, None, at) is room


def test_only_the_nodes_of_the_pool_count_and_its_backups_do() -> None:
    nodes = [node("a", full=True), node("b"), node("c", full=True)]
    assert room_for_upload(nodes, Pool(nodes=("a",)), "a") is Room.NOWHERE
    assert room_for_upload(nodes, Pool(nodes=("a",), backup=("c",)), "a") is Room.NOWHERE
    assert room_for_upload(nodes, Pool(nodes=("a",), backup=("b",)), "a") is Room.ELSEWHERE


@pytest.mark.parametrize(
    ("nodes", "wish", "chosen"),
    [
        ([node("a", full=True), node("b", sessions=9)], Wish(), "b"),
        ([node("a", full=True), node("b", sessions=9)], Wish(reads=True), "a"),
        ([node("a", full=True), node("b", sessions=9)], Wish(mirrors=True), "a"),
        ([node("a", full=True), node("b", NodeState.JOINING)], Wish(), "a"),
        ([node("a", full=True), node("b", full=True, sessions=1)], Wish(), "a"),
        ([node("a", full=True), node("b")], Wish(pool=Pool(nodes=("a",), backup=("b",))), "b"),
    ],
)
def test_a_node_whose_disk_is_full_is_chosen_after_those_with_room(nodes, wish: Wish, chosen: str) -> None:
    choice = choose_node(nodes, wish)
    assert choice.node == chosen
    if chosen == "b":
        assert choice.verdicts["a"] == "its disk is full"


@pytest.mark.parametrize("line", ["STOR a", "APPE a", "STOU"])
def test_where_no_node_has_room_an_upload_is_a_452_before_anything_is_asked(line: str) -> None:
    talk = Transcript().logs_in()
    passive(talk)
    talk.room = Room.NOWHERE
    talk.client(line).does(a.DropData()).client_gets(
        "452 No node has room on its disk; nothing was stored, please try again later."
    )
    note = talk.notes[-1]
    assert isinstance(note, a.NoteTransfer)
    assert (note.reply, note.why) == (452, "every node's disk is full")
    talk.room = Room.HERE  # the data connection waits
    talk.client("STOR a")
    offered(talk, "STOR a")
    talk.node("150 go").client_gets("150 go").does(a.OpenFrontData(None, protected=False), a.FeedNode())


def test_a_node_without_room_is_left_for_one_that_has_some() -> None:
    talk = Transcript().logs_in()
    passive(talk)
    talk.room = Room.ELSEWHERE
    talk.client("STOR a").node_is_left(politely=True).replays("node2", avoiding=("node1",))
    offered(talk, "STOR a")
    talk.node("150 go").client_gets("150 go").does(a.OpenFrontData(None, protected=False), a.FeedNode())


def test_what_moves_no_upload_asks_for_no_room() -> None:
    talk = Transcript().logs_in()
    talk.room = Room.NOWHERE
    passive(talk)
    talk.client("RETR a").node_gets("MLST a").node("550 none")
    offered(talk, "RETR a")
    talk.node("550 none").does(a.DropBackData(), a.DropData()).client_gets("550 none")
    talk.client("DELE a").node_gets("DELE a").node("250 gone").client_gets("250 gone")
    assert not [note for note in talk.notes if isinstance(note, a.NoteMove)]


def test_room_that_is_told_unasked_is_no_matter() -> None:
    Transcript().logs_in().happens(e.RoomKnown(Room.NOWHERE)).client("NOOP").client_gets("200")
