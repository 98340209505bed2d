"""Random work of several writers while hosts and wires fail, briefly; `make soak` does the same for ten minutes."""

import contextlib
import socket
import socketserver
import threading

import pytest

from cluster.kept import ListedConflict
from tests.kit.record import Record
from tests.soak.judge import Judge
from tests.soak.logs import unexplained
from tests.soak.operations import DONE, REFUSED, UNKNOWN, Operation
from tests.soak.relay import Relay
from tests.soak.run import Plan, run
from tests.soak.shown import Entry, Shown
from tests.soak.split import Split

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

BRIEF = Plan(seconds=25, host_rest_s=3.0, wire_rest_s=2.0, split_rest_s=15.0)


@pytest.mark.timeout(500)
def test_whatever_fails_all_is_alike_in_the_end_and_nothing_is_lost_or_unexplained(tmp_path_factory):
    record = Record()
    run(BRIEF, tmp_path_factory.mktemp("soak"), record)  # a short path: the state folders hold Unix sockets
    assert record.findings == [], f"seed {BRIEF.seed}"
    assert record["replicators killed (SIGKILL)"] > 0
    assert record["splits in which each node wrote the same path"] > 0
    assert record["changes by clients"] > 0
    assert record["changes beside FTP"] > 0
    assert record["conflicts listed in the end"] > 0


def done(kind, path="x", content="", gone=(), at=(1, 2), node="node1", copies=1, **more):
    return Operation(
        who="client", node=node, kind=kind, path=path, content=content, gone=frozenset(gone),
        began_s=at[0], ended_s=at[1], outcome=DONE, copies=copies, **more,
    )  # fmt: skip


def lists(content, path="x", node="node1", file=""):
    return ListedConflict(
        id="1", path=path, node=node, stamp_ns=1, size_bytes=1, content_id=content, winner="node2", file=file
    )


def found(operations, tree=None, splits=(), **shown):
    entries = {path: Entry(content) for path, content in (tree or {}).items()}
    nodes = {name: Shown(entries, **shown) for name in ("node1", "node2")}
    return list(Judge(operations, splits, nodes).findings())


FIRST = done("upload", content="first", at=(1, 2), copies=3)
LATER = done("upload", content="second", gone=("first",), at=(3, 4), node="node2", copies=3)
UNSEEN = done("upload", content="second", at=(3, 4), node="node2")


def test_what_was_replaced_by_somebody_who_had_seen_it_is_not_lost():
    assert found([FIRST, LATER], {"x": "second"}) == []


def test_what_nobody_replaced_who_had_seen_it_is_lost_unless_it_is_kept():
    (lost,) = found([FIRST, UNSEEN], {"x": "second"})
    assert lost.startswith("lost: upload x of first")
    assert found([FIRST, UNSEEN], {"x": "second"}, versions=frozenset(["first"])) == []
    concurrent = done("upload", content="second", at=(1.5, 4), node="node2")
    listed = {"kept": {"first-x": "first"}, "listed": (lists("first", file=".tripod/conflicts/first-x"),)}
    assert found([FIRST, concurrent], {"x": "second"}, **listed) == []


def test_what_was_never_acknowledged_may_be_gone_and_what_was_renamed_stands_elsewhere():
    unknown = Operation(who="client", node="node1", kind="upload", path="x", content="first", outcome=UNKNOWN)
    assert found([unknown]) == []
    moved = done("rename", path="d", target="e", at=(3, 4))
    assert found([done("upload", path="d/x", content="first"), moved], {"e/x": "first"}) == []


def test_what_nobody_put_there_is_found():
    assert "nobody put there" in found([FIRST], {"x": "first", "y": "first"})[0]
    refused = Operation(who="client", node="node1", kind="upload", path="x", content="first", outcome=REFUSED)
    assert "nobody put there" in found([refused], {"x": "first"})[0]


def test_what_was_removed_and_is_there_again_is_found_unless_somebody_put_it_back():
    removed = done("remove", gone=("first",), at=(3, 4))
    assert found([FIRST, removed], {"x": "first"})[0].startswith("came back: first")
    put_back = done("rename", path="y", target="x", at=(5, 6))
    assert found([FIRST, removed, put_back], {"x": "first"}) == []


def test_a_program_that_writes_alone_finds_what_it_wrote_last():
    writes = [
        done("write", content="first", is_program=True, at=(1, 2)),
        done("write", content="second", gone=("first",), is_program=True, at=(3, 4)),
    ]
    assert found(writes, {"x": "second"}) == []
    assert "not what came last" in found(writes, {"x": "first"})[-1]


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ({"listed": (lists("first"),)}, "nobody wrote there without having seen it"),
        ({"listed": (lists("first", path="y"),)}, "where it never was"),
        ({"listed": (lists("first", file=".tripod/conflicts/f"),)}, "its store has None there"),
        ({"kept": {"f": "first"}}, "lists it nowhere"),
        ({"staged": ("up-1",)}, "1 files left in staging"),
    ],
)
def test_a_list_that_is_wrong_is_found(shown, said):
    findings = found([FIRST, LATER], {"x": "second"}, **shown)
    assert any(said in finding for finding in findings), findings


def test_of_a_split_the_last_is_visible_and_all_others_are_listed_everywhere():
    writes = [done("upload", content=content, node=node) for node, content in (("node1", "a"), ("node2", "b"))]
    split = Split("x", (("node1", "a"), ("node2", "b")))
    right = {"kept": {"a-x": "a"}, "listed": (lists("a", file=".tripod/conflicts/a-x"),)}
    assert found(writes, {"x": "b"}, (split,), **right) == []
    assert len(found(writes, {"x": "b"}, (split,), **(right | {"listed": ()}))) == 4
    assert any("is visible, and not the last" in finding for finding in found(writes, {"x": "a"}, (split,), **right))


def test_a_line_of_a_log_is_explained_or_a_finding():
    explained = '{"level": "warning", "event": "peer lost"}\n{"level": "info", "event": "anything"}\n'
    assert list(unexplained(explained)) == []
    odd = ['{"level": "warning", "event": "rotten"}', "Traceback (most recent call last):"]
    assert list(unexplained(explained + "\n".join(odd))) == odd


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        with contextlib.suppress(ConnectionResetError):
            while data := self.request.recv(100):
                self.request.sendall(data)


@pytest.fixture
def relay():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        with Relay({("a", "b"): (("127.0.0.1", 0), server.server_address)}) as wires:
            yield wires
        server.shutdown()
        serving.join()


def client(relay):
    connection = socket.create_connection(relay.address(("a", "b")), timeout=5)
    try:
        connection.sendall(b"one")
        assert connection.recv(100) == b"one"
    except BaseException:
        connection.close()
        raise
    return connection


def test_a_wire_that_stalls_delivers_late(relay):
    with client(relay) as connection:
        relay.fail(("a", "b"), "stall")
        connection.sendall(b"two")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(100)
        connection.settimeout(5)
        relay.heal()
        assert connection.recv(100) == b"two"


def test_a_wire_that_is_cut_drops_all_and_takes_nobody_until_it_is_healed(relay):
    with client(relay) as connection:
        relay.fail(("a", "b"), "cut")
        with pytest.raises(ConnectionResetError):
            connection.recv(100)
    with pytest.raises((ConnectionResetError, AssertionError)):
        client(relay)
    relay.heal()
    client(relay).close()


def test_of_a_half_open_connection_one_end_is_told_nothing(relay):
    with client(relay) as connection:
        relay.fail(("a", "b"), "half-open here")
        connection.sendall(b"lost")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(100)
        client(relay).close()  # another one is as good as ever
        relay.heal()
        connection.settimeout(5)
        with pytest.raises(ConnectionResetError):
            connection.recv(100)
