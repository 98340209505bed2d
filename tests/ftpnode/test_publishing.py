"""What the client reads when a replicator publishes: a 226 only after Done, and the right refusal otherwise."""

import threading

import pytest

from cluster.publish import Done, Fetch, MakeDirectory, Publish, Reason, Refused, Remove, Rename, SetMtime
from ftpnode.arrival import TOLD_FROM_BYTES
from tests.ftpnode.fake_replicator import FakeReplicator, hang, lost_everywhere, refuse
from tests.ftpnode.running import running
from tests.kit.cluster_folder import write_cluster
from tests.kit.wait import PATIENCE_S, until

REPLIES = {
    Reason.TOO_FEW_COPIES: "451",
    Reason.DISK_FULL: "452",
    Reason.OVER_QUOTA: "552",
    Reason.NOT_READY: "451",
    Reason.NOT_FOUND: "550",
    Reason.EXISTS: "550",
    Reason.NOT_EMPTY: "550",
    Reason.BAD_PATH: "553",
    Reason.CHANGED: "451",
    Reason.IO_ERROR: "451",
    Reason.HELD_BACK: "550",
    Reason.NAMESAKE: "553",
    Reason.READ_ONLY: "550",
}


def test_the_226_tells_the_copies(pair):
    node, replicator = pair
    with node.client() as client:
        assert client.store("two.rnx", b"12") == "226 Transfer complete. (2 copies)"
        replicator.behave(lambda request: replicator.do(request, copies=1, wanted=2))
        assert client.store("one.rnx", b"12") == "226 Transfer complete. (1 of 2 copies)"


def test_a_publish_says_what_was_staged_and_how_many_must_hold_it(pair):
    node, replicator = pair
    with node.client() as client:
        assert client.store("said.rnx", b"12345").startswith("226")
    (request,) = replicator.seen
    assert isinstance(request, Publish)
    assert (request.path, request.size_bytes, request.account) == ("Station/said.rnx", 5, "station")
    assert request.policy.nodes == "any-peer"
    assert request.staged.startswith("up-")


@pytest.mark.parametrize("command", ["STOR", "APPE"])
def test_the_replicator_is_told_of_a_large_upload_while_it_arrives(pair, command):
    node, replicator = pair
    with node.client() as client, client.data() as data:
        assert client.ask(f"{command} large-{command}.rnx").startswith("125")
        data.sendall(bytes(TOLD_FROM_BYTES - 1))
        until(lambda: str(TOLD_FROM_BYTES - 1) in client.ask("STAT"), "nearly so much has come")
        assert replicator.arriving == []
        data.sendall(b"x")
        until(lambda: replicator.arriving, "the replicator is told")
        assert not [request for request in replicator.seen if isinstance(request, Publish)]
        data.close()
        assert client.reply().startswith("226")
    (told,), published = replicator.arriving, replicator.seen[-1]
    assert (told.path, told.staged, told.account) == (published.path, published.staged, published.account)
    assert told.policy == published.policy


def test_what_is_left_of_a_resumed_upload_begins_with_what_stood_there(pair):
    node, replicator = pair
    with node.client() as client:
        assert client.store("resumed.rnx", bytes(TOLD_FROM_BYTES)).startswith("226")
        replicator.behave()
        assert client.ask(f"REST {TOLD_FROM_BYTES}").startswith("350")
        assert client.store("resumed.rnx", b"tail").startswith("226")
    until(lambda: [told.path for told in replicator.arriving] == ["Station/resumed.rnx"], "the replicator is told")


@pytest.mark.parametrize("reason", list(Reason))
def test_a_refused_publish_is_refused_to_the_client_and_leaves_nothing(pair, reason):
    node, replicator = pair
    replicator.behave(refuse(reason))
    with node.client() as client:
        reply = client.store("refused.rnx", b"12")
        assert reply[:3] == REPLIES[reason]
        assert str(node.root) not in reply
        assert client.ask("NOOP").startswith("200")
    until(lambda: not node.staged(), "staging is empty")


def test_no_226_before_done(pair):
    node, replicator = pair
    may_answer = threading.Event()

    def wait(request):
        assert may_answer.wait(PATIENCE_S)
        return replicator.do(request)

    replicator.behave(wait)
    with node.client() as client:
        with client.data() as data:
            assert client.ask("STOR waits.rnx").startswith("125")
            data.sendall(b"content")
        until(lambda: replicator.seen, "the publish arrives")
        client.send(b"NOOP\r\n")
        client.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.socket.recv(1)
        client.socket.settimeout(10)
        may_answer.set()
        answers = b""
        while answers.count(b"\r\n") < 2:
            answers += client.socket.recv(1000)
        assert answers.startswith(b"226 ")
        assert b"\r\n200 " in answers


@pytest.mark.slow
def test_a_replicator_that_hangs_is_a_451(pair):
    node, replicator = pair
    replicator.behave(hang)
    with node.client() as client:
        assert client.store("hangs.rnx", b"12").startswith("451")
        replicator.behave()
        assert client.store("later.rnx", b"12").startswith("226")
    assert not (node.root / "Station/hangs.rnx").exists()


def test_a_replicator_that_dies_meanwhile_is_a_451_and_its_successor_is_found(pair):
    node, replicator = pair

    def die(_request):
        replicator.die()

    replicator.behave(die)
    with node.client() as client:
        assert client.store("dies.rnx", b"12").startswith("451")
        assert client.store("dead.rnx", b"12").startswith("451")
        until(lambda: node.health()["state"] == "failed", "the health document says so")
        assert "replicator" in node.health()["notices"][0]
        replicator.behave()
        replicator.listen()
        assert client.store("lives.rnx", b"12").startswith("226")
        until(lambda: node.health()["state"] == "ready", "the health document is well again")


def test_an_upload_whose_client_vanishes_after_its_data_is_still_published(pair):
    node, replicator = pair
    may_answer = threading.Event()

    def wait(request):
        assert may_answer.wait(PATIENCE_S)
        return replicator.do(request)

    replicator.behave(wait)
    with node.client() as client:
        with client.data() as data:
            client.ask("STOR left.rnx")
            data.sendall(b"content")
        until(lambda: replicator.seen, "the publish arrives")
    may_answer.set()
    until((node.root / "Station/left.rnx").exists, "the file is there")
    until(lambda: node.health()["transfers"] == 0, "the transfer is over")


def test_a_joining_replicator_makes_the_node_joining(pair):
    node, replicator = pair
    from cluster.health import NodeState

    replicator.state = NodeState.JOINING
    until(lambda: node.health()["state"] == "joining", "joining")
    replicator.state = NodeState.READY
    until(lambda: node.health()["state"] == "ready", "ready")


def test_a_file_that_only_another_node_has_is_fetched_while_the_client_waits(pair):
    node, replicator = pair
    replicator.elsewhere["Station/far.rnx"] = b"from afar"
    with node.client() as client:
        assert client.fetch("far.rnx") == (b"from afar", "226 Transfer complete.")
    assert [type(request) for request in replicator.seen] == [Fetch]


def test_size_and_append_find_a_file_that_only_another_node_has(pair):
    node, replicator = pair
    replicator.elsewhere |= {"Station/far-size.rnx": b"12345", "Station/far-append.rnx": b"12"}
    with node.client() as client:
        assert client.ask("SIZE far-size.rnx") == "213 5"
        assert client.store("far-append.rnx", b"34", "APPE").startswith("226")
        assert client.fetch("far-append.rnx")[0] == b"1234"


def test_what_this_disk_lacks_is_removed_without_being_fetched_for_no_node_may_have_it(pair):
    node, replicator = pair
    replicator.behave(lost_everywhere)
    with node.client() as client:
        assert client.ask("SIZE lost.rnx").startswith("451")
        assert client.ask("DELE lost.rnx").startswith("250")
        assert client.ask("RMD lost").startswith("250")
        assert [type(request) for request in replicator.seen] == [Fetch, Remove, Remove]
        replicator.behave(refuse(Reason.NOT_FOUND))
        assert client.ask("DELE nowhere.rnx").startswith("550")


@pytest.mark.slow
def test_a_fetch_without_an_answer_is_no_550(pair):
    node, replicator = pair
    replicator.behave(lambda request: None if isinstance(request, Fetch) else replicator.do(request))
    with node.client() as client:
        client.passive_port()
        assert client.ask("RETR nowhere.rnx").startswith("451")
        replicator.behave()
        assert client.ask("RETR nowhere.rnx").startswith("550")


def test_changes_wait_for_the_replicator_too(pair):
    node, replicator = pair
    with node.client() as client:
        assert client.ask("MKD made").startswith("257")
        assert client.ask("MKD made").startswith("550")
        client.store("made/.in.x", b"1")
        assert client.ask("MFMT 20240229120000 made/.in.x").startswith("213 Modify=20240229120000")
        assert client.ask("RNFR made/.in.x").startswith("350")
        assert client.ask("RNTO made/x").startswith("250")
        assert client.ask("DELE made/x").startswith("250")
        assert client.ask("RMD made").startswith("250")
        replicator.behave(refuse(Reason.TOO_FEW_COPIES))
        assert client.ask("MKD refused").startswith("451")
        kinds = {type(request) for request in replicator.seen}
    assert kinds == {MakeDirectory}


def test_a_rename_replaces_and_a_new_time_is_sent_in_nanoseconds(pair):
    node, replicator = pair
    with node.client() as client:
        client.store("r1", b"1"), client.store("r2", b"2")
        client.ask("MFMT 19700101000001 r1")
        client.ask("RNFR r1")
        assert client.ask("RNTO r2").startswith("250")
        time, rename = (request for request in replicator.seen if isinstance(request, SetMtime | Rename))
    assert time.mtime_ns == 1_000_000_000
    assert (rename.source, rename.target, rename.replace) == ("Station/r1", "Station/r2", True)


def test_answers_may_come_in_any_order(pair):
    node, replicator = pair
    first = threading.Event()

    def second_first(request):
        if request.path.endswith("slow.rnx"):
            assert first.wait(PATIENCE_S)
        return Done(id=request.id, copies=2, wanted=2)

    replicator.behave(second_first)
    with node.client() as slow, node.client() as quick:
        with slow.data() as data:
            slow.ask("STOR slow.rnx")
            data.sendall(b"1")
        assert quick.store("quick.rnx", b"1").startswith("226")
        first.set()
        assert slow.reply().startswith("226")


def test_an_answer_to_another_request_is_not_taken_for_ours(pair):
    node, replicator = pair
    replicator.behave(lambda request: Refused(id=request.id + 1000, reason=Reason.EXISTS, text="not yours"))
    with node.client() as client:
        assert client.store("confused.rnx", b"1").startswith("451")


@pytest.mark.slow
def test_without_any_replicator_nobody_is_promised_anything(tmp_path):
    cluster = write_cluster(tmp_path, nodes=2)
    with running(cluster) as node, node.client() as client:
        assert client.store("alone.rnx", b"12").startswith("451")
        with FakeReplicator(cluster.settings.nodes["node1"]):
            assert client.ask("MKD /x").startswith(("257", "550"))


def test_an_upload_into_a_folder_that_only_other_nodes_have_waits_for_it(pair):
    node, replicator = pair
    replicator.elsewhere["Station/afar"] = None
    with node.client() as client:
        assert client.store("afar/a.rnx", b"12").startswith("226")
        client.passive_port()
        assert client.ask("STOR nowhere/a.rnx").startswith("550")
    assert (node.root / "Station/afar/a.rnx").read_bytes() == b"12"


def test_a_node_that_cannot_say_yet_what_is_there_refuses_for_the_moment_only(pair):
    """A node that is just back has not heard of every folder; a permanent 550 would make a client give up."""
    node, replicator = pair
    replicator.behave(refuse(Reason.NOT_READY))
    with node.client() as client:
        for line in ("CWD unheard", "SIZE unheard/a", "MLST unheard"):
            assert client.ask(line)[:3] == "451", line
        for line in ("STOR unheard/a.rnx", "RETR unheard", "MLSD unheard"):
            client.passive_port()
            assert client.ask(line)[:3] == "451", line
        assert client.ask("NOOP").startswith("200")
