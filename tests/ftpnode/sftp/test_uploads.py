"""Uploads over SFTP: whole after the answer to CLOSE, and never seen when anything stood in the way."""

import contextlib
import os
import resource
import threading

import pytest

from cluster.publish import Fetch, Publish, Reason
from ftpnode.arrival import TOLD_FROM_BYTES
from tests.ftpnode.fake_replicator import hang, refuse
from tests.ftpnode.running import running
from tests.ftpnode.sftp.clients import APPEND, CREATE, EXCLUSIVE, TRUNCATE, WRITE, connected, raw, with_sftp
from tests.kit.cluster_folder import write_cluster
from tests.kit.wait import PATIENCE_S, until

OLD = b"the old content"
FAILURE, NO_SUCH_FILE, DENIED = 4, 2, 3


@pytest.fixture
def kept(door):
    """A file that no failing upload may touch."""
    node, _ = door
    file = node.root / "Station/kept.rnx"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(OLD)
    yield file
    assert file.read_bytes() == OLD
    until(lambda: not node.staged(), "staging is empty")


def put(client, path, content, mode="w"):
    with client.open(path, mode) as file:
        file.write(content)


def test_a_whole_upload_is_there_byte_for_byte(door, station):
    node, replicator = door
    content = os.urandom(5_000_000)
    with station.open("whole.rnx", "w") as file:
        file.set_pipelined(True)
        for start in range(0, len(content), 32768):
            file.write(content[start : start + 32768])
    assert (node.root / "Station/whole.rnx").read_bytes() == content
    (request,) = (request for request in replicator.seen if isinstance(request, Publish))
    assert (request.path, request.size_bytes, request.account) == ("Station/whole.rnx", len(content), "station")


def test_an_empty_upload_is_an_empty_file(door, station):
    put(station, "empty.rnx", b"")
    assert (door[0].root / "Station/empty.rnx").read_bytes() == b""


def test_an_upload_replaces_and_under_way_it_is_not_visible(door, station):
    node, _ = door
    put(station, "twice.rnx", b"one, and longer")
    with station.open("twice.rnx", "w") as file:
        file.write(b"two")
        file.flush()
        until(node.staged, "bytes arrive in staging")
        assert (node.root / "Station/twice.rnx").read_bytes() == b"one, and longer"
    assert (node.root / "Station/twice.rnx").read_bytes() == b"two"


def test_an_upload_goes_on_where_it_stopped(door, station):
    put(station, "resumed.rnx", b"12345")
    with station.open("resumed.rnx", "r+") as file:
        file.seek(5)
        file.write(b"678")
    assert (door[0].root / "Station/resumed.rnx").read_bytes() == b"12345678"


def test_an_upload_goes_on_in_a_file_that_only_another_node_has(door, station):
    node, replicator = door
    replicator.elsewhere["Station/far-upload.rnx"] = b"from afar"
    with station.open("far-upload.rnx", "a") as file:
        file.write(b", and on")
    assert (node.root / "Station/far-upload.rnx").read_bytes() == b"from afar, and on"
    assert Fetch in {type(request) for request in replicator.seen}


def test_appended_bytes_go_to_the_end_whatever_their_offset(door):
    node, _ = door
    with raw(node) as client:
        for content in (b"one", b"two"):
            handle = client.open(b"appended.rnx", WRITE | CREATE | APPEND)
            client.write(3, handle, 0, content)
            assert client.status()[0] == 0
            assert client.close(handle) == (0, "Transfer complete. (2 copies)")
    assert (node.root / "Station/appended.rnx").read_bytes() == b"onetwo"


@pytest.mark.usefixtures("kept")
def test_a_file_wanted_as_a_new_one_replaces_nothing(door):
    node, _ = door
    with raw(node) as client:
        refused = client.open(b"kept.rnx", WRITE | CREATE | EXCLUSIVE)
        assert refused == (FAILURE, "There is already an entry of that name.")
        handle = client.open(b"new.rnx", WRITE | CREATE | EXCLUSIVE)
        (node.root / "Station/new.rnx").write_bytes(OLD)
        assert client.close(handle)[0] == FAILURE
    assert (node.root / "Station/new.rnx").read_bytes() == OLD


def test_a_file_that_is_not_there_is_opened_for_writing_only_if_it_may_be_made(door):
    node, _ = door
    with raw(node) as client:
        assert client.open(b"absent.rnx", WRITE)[0] == NO_SUCH_FILE
        assert client.open(b"absent.rnx", WRITE | TRUNCATE)[0] == NO_SUCH_FILE
        assert client.open(b"no/such/folder.rnx")[0] == NO_SUCH_FILE
        assert client.open(b"/")[0] == FAILURE


def test_writes_out_of_order_and_over_each_other_are_right(door):
    node, _ = door
    content = os.urandom(300_000)
    with raw(node) as client:
        handle = client.open(b"order.rnx")
        writes = [(200_000, content[200_000:]), (0, content[:150_000]), (100_000, content[100_000:200_000])]
        for offset, data in [*writes, (5, b"wrong"), (5, content[5:10])]:
            client.write(3, handle, offset, data)
            assert client.status()[0] == 0
        assert client.close(handle)[0] == 0
    assert (node.root / "Station/order.rnx").read_bytes() == content
    assert_content_id(door, content)


def assert_content_id(door, content):
    from cluster.content_id import content_id_of

    request = door[1].seen[-1]
    assert (request.content_id, request.size_bytes) == (content_id_of(content), len(content))


@pytest.mark.usefixtures("kept")
def test_a_few_bytes_do_not_make_a_huge_file(door):
    with raw(door[0]) as client:
        handle = client.open(b"kept.rnx")
        client.write(3, handle, 1 << 40, b"x")
        assert client.status() == (FAILURE, "This skips too much of the file.")
        assert client.close(handle)[0] == FAILURE


def test_an_upload_can_be_shortened_before_it_is_closed_but_not_stretched(door, station):
    with station.open("short.rnx", "w") as file:
        file.write(b"1234567890")
        with pytest.raises(OSError, match="by writing alone"):
            file.truncate(100)
        file.truncate(4)
        assert file.stat().st_size == 4
    assert (door[0].root / "Station/short.rnx").read_bytes() == b"1234"
    assert_content_id(door, b"1234")


def test_what_is_written_can_be_read_back_where_that_was_asked_for(door, station):
    with station.open("both.rnx", "w+") as file:
        file.write(b"12345")
        file.seek(1)
        assert file.read(3) == b"234"
    assert (door[0].root / "Station/both.rnx").read_bytes() == b"12345"


@pytest.mark.usefixtures("kept")
def test_a_connection_that_is_cut_publishes_nothing(door):
    node, replicator = door
    with raw(node) as client:
        handle = client.open(b"kept.rnx")
        client.write(3, handle, 0, b"half")
        assert client.status()[0] == 0
        assert node.staged()
    until(lambda: not node.staged(), "staging is empty")
    assert not [request for request in replicator.seen if isinstance(request, Publish)]


def write_in_order(client, handle, size_bytes):
    for offset in range(0, size_bytes, 1 << 17):
        client.write(3, handle, offset, bytes(min(size_bytes, 1 << 17)))
        assert client.status()[0] == 0


def test_what_came_of_a_large_upload_in_order_is_given_to_the_replicator(door):
    node, replicator = door
    with raw(node) as client:
        handle = client.open(b"cut.rnx")
        write_in_order(client, handle, TOLD_FROM_BYTES)
        until(lambda: replicator.arriving, "the replicator is told")
    until(lambda: replicator.cut, "the replicator is told of the end")
    assert [(cut.staged, cut.keep) for cut in replicator.cut] == [(replicator.arriving[0].staged, True)]
    assert replicator.out_of_order == []


@pytest.mark.parametrize("is_told", [False, True])
@pytest.mark.parametrize("how", ["a gap", "over again", "shorter"])
def test_of_what_came_out_of_order_nothing_is_kept(door, how, is_told):
    node, replicator = door
    size_bytes = TOLD_FROM_BYTES if is_told else 1000
    with raw(node) as client:
        handle = client.open(b"cut.rnx")
        write_in_order(client, handle, size_bytes)
        until(lambda: bool(replicator.arriving) == is_told, "the replicator is told")
        if how == "shorter":
            client.truncate(handle, 900)
        else:
            client.write(3, handle, size_bytes + 4096 if how == "a gap" else 0, b"here")
        assert client.status()[0] == 0
        assert [one.staged for one in replicator.out_of_order] == [one.staged for one in replicator.arriving]
        for _ in range(4):
            client.write(3, handle, 1 << 20, bytes(1 << 17))
            assert client.status()[0] == 0
        assert len(replicator.arriving) == is_told
    until(lambda: not node.staged(), "staging is empty")
    assert replicator.cut == []


def test_bytes_out_of_order_are_refused_where_the_replicator_does_not_hear_of_it(door, monkeypatch):
    node, replicator = door
    with raw(node) as client:
        handle = client.open(b"cut.rnx")
        write_in_order(client, handle, TOLD_FROM_BYTES)
        until(lambda: replicator.arriving, "the replicator is told")
        monkeypatch.setattr(replicator, "_of_uploads", refuse(Reason.NOT_READY))
        client.write(3, handle, 1 << 20, b"far away")
        assert client.status()[0] == FAILURE
        assert client.close(handle)[0] == FAILURE
    until(lambda: not node.staged(), "staging is empty")


@pytest.mark.usefixtures("kept")
def test_a_channel_that_ends_without_a_close_publishes_nothing(door):
    with raw(door[0]) as client:
        handle = client.open(b"kept.rnx")
        client.write(3, handle, 0, b"half")
        client.status()
        client.channel.close()
        until(lambda: not door[0].staged(), "staging is empty")


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("reason", list(Reason))
def test_a_refused_publish_fails_the_close_with_a_reason_and_leaves_nothing(door, reason):
    node, replicator = door
    replicator.behave(refuse(reason))
    with raw(node) as client:
        handle = client.open(b"kept.rnx")
        client.write(3, handle, 0, b"new")
        client.status()
        code, text = client.close(handle)
        assert code in {FAILURE, NO_SUCH_FILE, DENIED}
        assert text
        assert str(node.root) not in text
        assert client.close(handle) == (FAILURE, "There is no such handle.")


@pytest.mark.usefixtures("kept")
@pytest.mark.slow
def test_a_replicator_that_hangs_fails_the_close(door):
    node, replicator = door
    with raw(node) as client:
        handle = client.open(b"kept.rnx")
        replicator.behave(hang)
        assert client.close(handle) == (FAILURE, "The replicator does not answer; nothing is promised, try again.")


def test_the_answer_to_close_tells_that_there_is_one_copy_only(door):
    node, replicator = door
    replicator.behave(lambda request: replicator.do(request, copies=1, wanted=2))
    with raw(node) as client:
        assert client.close(client.open(b"one-copy.rnx")) == (0, "Transfer complete. (1 of 2 copies)")


def test_close_is_not_answered_before_the_file_is_safe(door):
    node, replicator = door
    may_answer = threading.Event()

    def wait(request):
        assert may_answer.wait(PATIENCE_S)
        return replicator.do(request)

    replicator.behave(wait)
    with raw(node) as client:
        handle = client.open(b"waits.rnx")
        client.request(4, 9, handle)
        until(lambda: replicator.seen, "the publish arrives")
        client.channel.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.channel.recv(1)
        client.channel.settimeout(20)
        may_answer.set()
        assert client.status()[0] == 0


def test_an_upload_whose_client_vanishes_after_close_is_still_published(door):
    node, replicator = door
    may_answer = threading.Event()

    def wait(request):
        assert may_answer.wait(PATIENCE_S)
        return replicator.do(request)

    replicator.behave(wait)
    with raw(node) as client:
        handle = client.open(b"left.rnx")
        client.request(4, 9, handle)
        until(lambda: replicator.seen, "the publish arrives")
    may_answer.set()
    until((node.root / "Station/left.rnx").exists, "the file is there")
    until(lambda: node.health()["transfers"] == 0, "the transfer is over")


@pytest.mark.usefixtures("kept")
def test_a_kick_cuts_the_upload_and_nothing_of_it_appears(door):
    node, _ = door
    with raw(node) as client:
        handle = client.open(b"kept.rnx")
        client.write(3, handle, 0, b"half")
        client.status()
        (session,) = (one for one in node.document("sessions")["sessions"] if one["command"] == "write")
        assert (session["path"], session["bytes_up"]) == ("/kept.rnx", 4)
        assert node.act(f"kick?id={session['id']}") == 200
        with pytest.raises((EOFError, OSError)):
            client.close(handle)


@pytest.mark.usefixtures("kept")
@pytest.mark.slow
def test_a_stalled_upload_is_cut_and_the_session_goes_on(door):
    node, _ = door
    with raw(node) as client:
        handle = client.open(b"kept.rnx")
        client.write(3, handle, 0, b"half")
        client.status()
        until(lambda: not node.staged(), "what was staged is gone")
        client.write(3, handle, 4, b"the rest")
        assert client.status() == (FAILURE, "Data connection stalled; nothing was stored.")
        assert client.close(handle)[0] == FAILURE
        assert client.close(client.open(b"after-the-stall.rnx"))[0] == 0


@pytest.mark.slow
def test_a_disk_that_refuses_bytes_fails_the_write_and_the_close(tmp_path):
    cluster = with_sftp(write_cluster(tmp_path, nodes=1, replication="none"))
    with running(cluster) as node, raw(node) as client:
        resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (100_000, 100_000))
        handle = client.open(b"large.rnx")
        client.write(3, handle, 0, b"x" * 100_001)
        assert client.status() == (FAILURE, "The file is too large; nothing was stored.")
        assert client.close(handle) == (FAILURE, "The file is too large; nothing was stored.")
        assert client.close(client.open(b"small.rnx")) == (0, "Transfer complete. (1 copy)")
        assert not (node.root / "Station/large.rnx").exists()
        until(lambda: not node.staged(), "staging is empty")


@pytest.mark.slow
def test_a_disk_below_the_reserve_refuses_before_any_byte(tmp_path):
    room = {"disk_reserve_bytes": 1 << 60}
    cluster = with_sftp(write_cluster(tmp_path, nodes=1, replication="none", replication_settings=room))
    with running(cluster) as node, raw(node) as client:
        assert client.open(b"x.rnx") == (FAILURE, "Not enough space on the disk.")


@pytest.mark.slow
def test_an_account_keeps_to_its_rate(tmp_path):
    from cluster.clock import monotonic_s

    slow = {"station": {"limits": {"upload_bytes_per_s": 100_000}}}
    cluster = with_sftp(write_cluster(tmp_path, nodes=1, replication="none"), accounts=slow)
    with running(cluster) as node, connected(node) as client:
        began_s = monotonic_s()
        put(client, "slow.rnx", b"x" * 250_000)
        assert monotonic_s() - began_s > 1.5


def test_open_files_are_bounded(door):
    with raw(door[0]) as client:
        for number in range(64):
            assert isinstance(client.open(b"many-%d.rnx" % number), bytes)
        assert client.open(b"one-more.rnx") == (FAILURE, "Too many open files; close some.")


def test_what_is_no_sftp_ends_the_channel_and_nothing_else(door):
    node, _ = door
    with raw(node) as client, connected(node) as other:
        client.channel.sendall(b"\xff\xff\xff\xff nonsense")
        with pytest.raises(EOFError):
            client.status()
        assert isinstance(other.listdir("/"), list)


def test_requests_that_cannot_be_read_are_answered(door):
    with raw(door[0]) as client:
        client.send(b"\x03\x00\x00\x00\x07\x00\x00\x00\xff")
        assert client.status() == (5, "This request cannot be read.")
        client.send(b"\x63\x00\x00\x00\x07")
        assert client.status() == (8, "This request is not there.")


@pytest.mark.slow
@pytest.mark.parametrize("send", ["sendall", "sendall_stderr"])
def test_a_client_that_minds_no_window_is_cut(door, send):
    node, _ = door
    with raw(node) as client:
        idle = client.channel.get_transport().open_session()
        idle.out_window_size = 1 << 40
        for _ in range(40):
            with contextlib.suppress(OSError, EOFError):  # it is cut already
                getattr(idle, send)(bytes(1 << 20))
        until(lambda: not client.channel.get_transport().is_active(), "cut")


def test_two_channels_of_a_session_upload_at_once(door):
    node, _ = door
    with connected(node) as first:
        second = first.from_transport(first.get_channel().get_transport())
        with contextlib.ExitStack() as stack:
            one, two = (stack.enter_context(each.open(f"c{n}.rnx", "w")) for n, each in enumerate((first, second)))
            for _ in range(10):
                one.write(b"1" * 1000)
                two.write(b"2" * 1000)
    assert (node.root / "Station/c0.rnx").read_bytes() == b"1" * 10_000
    assert (node.root / "Station/c1.rnx").read_bytes() == b"2" * 10_000
