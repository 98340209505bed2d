"""What the event loop and the threads of SFTP sessions change together stays right."""

import sys
import threading

import pytest

from cluster.settings import Limits
from ftpnode.bans import BanList
from ftpnode.paces import Paces

THREADS, TURNS = 8, 500


@pytest.fixture(autouse=True)
def _switch_often():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(act):
    """Do `act` from many threads at once."""
    barrier, failures = threading.Barrier(THREADS), []

    def work():
        barrier.wait()
        try:
            for _ in range(TURNS):
                act()
        except (RuntimeError, ValueError, KeyError) as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_no_byte_of_any_thread_is_forgotten_in_an_accounts_pace():
    paces = Paces()
    together(lambda: paces.moved("station", "up", 1000, 10, 0.0))
    assert paces.moved("station", "up", 1000, 0, 0.0) == pytest.approx(THREADS * TURNS * 10 / 1000)


def test_no_failure_of_any_thread_is_forgotten_and_the_list_can_be_read_meanwhile():
    wanted = THREADS * TURNS
    limits, bans = Limits(ban_failures=wanted, ban_window_s=1e6), BanList()

    def fail():
        bans.failed("192.0.2.1", limits, (), 0.0)
        bans.document(0.0)

    together(fail)
    assert bans.is_banned("192.0.2.1", 1.0)
