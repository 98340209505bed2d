"""The contract of a tally, of the one in memory and of the one that workers share, and what a lost one says."""

import contextlib
import socket
import threading

import pytest

from cluster.settings import Account, AccountLimits, Limits, Right
from ftpnode.core.login import Candidate
from ftpnode.drain import Drain
from ftpnode.tally import NodeTally
from ftpnode.trouble import CommandRefusedError
from ftpnode.workers.questions import MAX_MESSAGE_BYTES
from ftpnode.workers.shared_tally import SharedTally
from ftpnode.workers.tally_desk import TallyDesk
from ftpnode.workers.tally_line import TallyLine
from tests.kit.wait import until

ROOM = Limits()
HERE, THERE = "192.0.2.1", "192.0.2.2"


class Supervised:
    """Workers' lines to one node's tally, whose desks are served by threads; `stall` keeps the answers back."""

    def __init__(self, node):
        self.node = node
        self._free = threading.Event()
        self._free.set()
        self._stack = contextlib.ExitStack()

    def worker(self, number, timeout_s=5.0):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        desk = TallyDesk(self.node, number)
        thread = threading.Thread(target=self._serve, args=(desk, ours), daemon=True)
        thread.start()
        self._stack.callback(thread.join, 5)
        self._stack.callback(theirs.close)
        return SharedTally(TallyLine(theirs, timeout_s))

    def _serve(self, desk, connection):
        with connection:
            while message := connection.recv(MAX_MESSAGE_BYTES):
                self._free.wait(10)
                answer = desk.take(message)
                if answer is not None:
                    connection.send(answer)
        desk.close()

    def stall(self):
        self._free.clear()

    def go_on(self):
        self._free.set()

    def close(self):
        self.go_on()
        self._stack.close()


@pytest.fixture
def drain(tmp_path):
    return Drain(tmp_path / "state")


@pytest.fixture
def supervised(drain):
    supervised = Supervised(NodeTally(drain))
    yield supervised
    supervised.close()


@pytest.fixture(params=["in memory", "shared"])
def tallies(request, drain, supervised):
    """Two ways to one tally, as two workers have, or the same way twice; sessions 1, 2, … of one, 11, 12, … of both."""
    if request.param == "in memory":
        node = NodeTally(drain)
        return node, node
    return supervised.worker(1), supervised.worker(2)


def admit(tally, session, address=HERE, limits=ROOM, now_s=0.0):
    return (tally.admit(session, address, limits, now_s) or "220")[:3]


def log_in(tally, session, account="station", **limits):
    return (tally.log_in(session, account, AccountLimits(**limits)) or "230")[:3]


def test_a_session_more_than_the_node_takes_is_turned_away_until_another_leaves(tallies):
    one, two = tallies
    limits = Limits(sessions=2)
    assert [admit(one, 1, HERE, limits), admit(two, 11, THERE, limits), admit(one, 2, THERE, limits)] == [
        "220",
        "220",
        "421",
    ]
    two.leave(11)
    until(lambda: admit(one, 2, THERE, limits) == "220", "the one that left is counted no more")


def test_sessions_of_one_address_count_together(tallies):
    one, two = tallies
    limits = Limits(sessions_per_address=2)
    assert [admit(one, 1, HERE, limits), admit(two, 11, HERE, limits), admit(one, 2, HERE, limits)] == [
        "220",
        "220",
        "421",
    ]
    assert admit(two, 12, THERE, limits) == "220"


def test_who_was_turned_away_is_not_counted(tallies):
    one, two = tallies
    assert admit(one, 1, HERE, Limits(sessions_per_address=1)) == "220"
    for number in range(2, 20):
        assert admit(one, number, HERE, Limits(sessions_per_address=1)) == "421"
    assert admit(two, 11, HERE, Limits(sessions_per_address=2)) == "220"


def test_sessions_of_one_account_count_together_in_all_and_by_address(tallies):
    one, two = tallies
    for tally, session, address in ((one, 1, HERE), (two, 11, HERE), (one, 2, THERE), (two, 12, THERE)):
        assert admit(tally, session, address) == "220"
    assert log_in(one, 1, sessions_per_address=1) == "230"
    assert log_in(two, 11, sessions_per_address=1) == "421"
    assert log_in(two, 12, sessions_per_address=1) == "230"
    assert log_in(one, 2, sessions=2) == "421"
    assert log_in(one, 2, account="lansurvey", sessions=1) == "230"


def test_logging_out_and_in_again_counts_once(tallies):
    one, two = tallies
    assert [admit(one, 1), admit(two, 11)] == ["220", "220"]
    assert log_in(one, 1, sessions=1) == "230"
    assert log_in(one, 1, sessions=1) == "230"
    one.log_out(1)
    one.log_out(1)
    until(lambda: log_in(two, 11, sessions=1) == "230", "nobody is logged in as it")
    assert log_in(one, 1, sessions=1) == "421"


def test_a_login_is_allowed_from_its_networks_alone(tallies):
    one, _ = tallies
    admit(one, 1)
    assert log_in(one, 1, networks=("198.51.100.0/24",)) == "530"
    assert log_in(one, 1, networks=("192.0.2.0/24",)) == "230"


def test_what_has_left_logs_in_no_more_and_leaves_nothing_behind(tallies):
    one, two = tallies
    admit(one, 1)
    one.leave(1)
    one.leave(1)
    assert log_in(one, 1) == "230"
    assert admit(two, 11) == "220"
    assert log_in(two, 11, sessions=1) == "230"


def test_failures_count_together_and_the_last_one_bans(tallies):
    one, two = tallies
    limits = Limits(ban_failures=3, ban_window_s=30, ban_s=600)
    told = [tally.failed(HERE, limits, (), moment_s) for tally, moment_s in ((one, 0.0), (two, 1.0), (one, 2.0))]
    assert told == [False, False, True]
    assert [tally.is_banned(HERE, 3.0) for tally in tallies] == [True, True]
    assert [tally.is_banned(HERE, 603.0) for tally in tallies] == [False, False]
    assert admit(two, 11, now_s=3.0) == "421"
    assert admit(two, 11, THERE, now_s=3.0) == "220"
    assert not two.failed(THERE, limits, ("192.0.2.0/24",), 3.0)


def test_a_drained_node_takes_nobody(tallies, drain):
    drain.drain()
    assert [admit(tallies[0], 1), admit(tallies[1], 11)] == ["421", "421"]
    drain.enable()
    assert [admit(tallies[0], 1), admit(tallies[1], 11)] == ["220", "220"]


def slow(account="station", bytes_per_s=1000):
    limits = AccountLimits(upload_bytes_per_s=bytes_per_s)
    return Candidate(account, Account(home="/Station", rights=(Right.WRITE,), limits=limits))


def test_transfers_of_one_account_keep_its_rate_together(tallies):
    one, two = tallies
    moved = [tally.moved(slow(), "up", 1000, 100.0) for tally in (one, two, one, two)]
    assert moved == [0.5, 1.5, 2.5, 3.5], "half a second is credit, and then every 1000 bytes are a second more"
    assert one.moved(slow(), "down", 1 << 30, 100.0) == 0.0, "a direction without a rate"
    assert two.moved(slow("lansurvey"), "up", 1000, 100.0) == 0.5


def test_a_dead_workers_sessions_count_no_more_and_the_others_stay(supervised):
    desk, other = TallyDesk(supervised.node, 1), supervised.worker(2)
    for session in (1, 2):
        supervised.node.admit((1, session), HERE, ROOM, 0.0)
        supervised.node.log_in((1, session), "station", AccountLimits())
    assert [admit(other, 1), log_in(other, 1)] == ["220", "230"]
    assert desk.close() == 2
    assert supervised.node.sessions == 1
    assert admit(other, 2, limits=Limits(sessions_per_address=2)) == "220"
    assert log_in(other, 2, sessions=2) == "230"


def test_while_the_tally_is_stuck_everybody_is_turned_away_after_one_wait_and_nobody_stays_counted(supervised):
    worker = supervised.worker(1, timeout_s=0.05)
    assert [admit(worker, 1), log_in(worker, 1)] == ["220", "230"]
    supervised.stall()
    assert [admit(worker, number) for number in (2, 3)] == ["421", "421"]
    assert log_in(worker, 1) == "421"
    assert worker.moved(slow(), "up", 10, 0.0) == 1.0
    with pytest.raises(CommandRefusedError, match="421"):
        worker.is_banned(HERE, 0.0)
    worker.leave(1)
    supervised.go_on()
    until(lambda: admit(worker, 4, limits=Limits(sessions=1)) == "220", "it answers again, and counts right")
    assert supervised.node.sessions == 1


def test_news_that_a_busy_tally_cannot_take_yet_is_told_before_anything_else_is_asked(supervised):
    worker = supervised.worker(1)
    sessions = range(2000)  # more than the sockets hold
    assert {
        admit(worker, session, limits=Limits(sessions=9999, sessions_per_address=9999)) for session in sessions
    } == {"220"}
    supervised.stall()
    for session in sessions:
        worker.leave(session)
    supervised.go_on()
    assert admit(worker, 9999, limits=Limits(sessions=1)) == "220"


def test_when_the_supervisor_is_gone_everybody_is_turned_away():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.close()
    with theirs:
        worker = SharedTally(TallyLine(theirs))
        assert admit(worker, 1) == "421"
        worker.leave(1)
        assert not worker.failed(HERE, ROOM, (), 0.0)
