"""Every death of a node at every moment: what the client sees, and what is in the tree afterwards, as one table.

The deaths: SIGKILL (everything is reset), SIGSTOP (connections stand and nothing is answered), a power cut (not even a
packet), and the loss of the one connection. Only the first and the last say so; the others are found by the prober.
"""

import ftplib
import io
from collections.abc import Callable
from typing import NamedTuple

import pytest

from cluster.balancer_settings import Probe
from tests.balancer.running_balancer import bench

CONTENT = bytes(range(256)) * 8000  # more than sockets hold, so that "half" is really in the middle
NAMES = [f"file{number:04}" for number in range(3000)]  # a listing of more than one read
PROBE = Probe(interval_s=0.1, timeout_s=0.5, rise=1, fall=2)
# The session itself would wait for minutes: that a node is dead it must learn from the prober.
PATIENT = {"probe": PROBE, "reply_timeout_s": 300.0, "limits": {"transfer_stall_s": 300.0, "publish_timeout_s": 300.0}}
DEATHS = {"SIGKILL": "die", "SIGSTOP": "freeze", "power cut": "vanish", "connection lost": "lose"}


class Work(NamedTuple):
    """What a client does, over which files, and which there are afterwards; `do` returns what the client saw."""

    do: Callable[[ftplib.FTP], str]
    before: dict[str, bytes]
    after: dict[str, bytes]


def listing(command: str) -> Callable[[ftplib.FTP], str]:
    def listed(ftp: ftplib.FTP) -> str:
        lines: list[str] = []
        reply = ftp.retrlines(command, lines.append)
        assert [line.rpartition(" ")[2].lstrip("/") for line in lines] == NAMES
        return reply

    return listed


def retrieved(ftp: ftplib.FTP) -> str:
    got = io.BytesIO()
    reply = ftp.retrbinary("RETR a", got.write)
    assert got.getvalue() == CONTENT
    return reply


def stored(command: str, rest: int | None = None) -> Callable[[ftplib.FTP], str]:
    return lambda ftp: ftp.storbinary(command, io.BytesIO(CONTENT), rest=rest)


OLD = b"old" * 1000
MANY = {f"/{name}": b"" for name in NAMES}
WORK = {
    "PWD": Work(lambda ftp: ftp.sendcmd("PWD"), {}, {}),
    "CWD": Work(lambda ftp: ftp.cwd("/"), {}, {}),
    "RETR": Work(retrieved, {"/a": CONTENT}, {"/a": CONTENT}),
    "STOR": Work(stored("STOR a"), {"/a": OLD}, {"/a": CONTENT}),
    "REST+STOR": Work(stored("STOR a", rest=1000), {"/a": OLD}, {"/a": OLD[:1000] + CONTENT}),
    "APPE": Work(stored("APPE a"), {"/a": OLD}, {"/a": OLD + CONTENT}),
    "LIST": Work(listing("LIST"), MANY, MANY),
    "MLSD": Work(listing("MLSD"), MANY, MANY),
    "RNFR": Work(lambda ftp: ftp.rename("a", "b"), {"/a": OLD}, {"/b": OLD}),
    "DELE": Work(lambda ftp: ftp.delete("a"), {"/a": OLD}, {}),
    "MKD": Work(lambda ftp: ftp.sendcmd("MKD d"), {}, {}),
}

TABLE = [
    # the client's command, the moment of death, what the client sees
    ("PWD", "PWD", "257"),
    ("CWD", "CWD", "250"),
    ("STOR", "EPSV", "226"),
    ("STOR", "STOR before 150", "226"),
    ("STOR", "STOR half", "226"),
    ("STOR", "STOR before publish", "226"),
    ("STOR", "STOR before 226", "226"),
    ("REST+STOR", "REST", "226"),
    ("REST+STOR", "STOR before 150", "226"),
    ("REST+STOR", "STOR half", "226"),
    ("REST+STOR", "STOR before publish", "226"),
    ("REST+STOR", "STOR before 226", "226"),
    ("APPE", "APPE before 150", "226"),
    ("APPE", "APPE half", "226"),
    ("APPE", "APPE before publish", "226"),
    ("APPE", "APPE before 226", "226"),
    ("RETR", "MLST", "226"),
    ("RETR", "SITE", "226"),
    ("RETR", "RETR before 150", "226"),
    ("RETR", "RETR after 150", "226"),
    ("RETR", "RETR half", "226"),
    ("RETR", "RETR before 226", "226"),
    # A second listing may differ from the first, so nothing of one goes out before its node has said that it is whole.
    ("LIST", "LIST before 150", "226"),
    ("LIST", "LIST after 150", "226"),
    ("LIST", "LIST half", "226"),
    ("LIST", "LIST before 226", "226"),
    ("MLSD", "MLSD before 150", "226"),
    ("MLSD", "MLSD after 150", "226"),
    ("MLSD", "MLSD half", "226"),
    ("MLSD", "MLSD before 226", "226"),
    ("RNFR", "RNFR", "250"),
    ("RNFR", "RNTO", "250"),
    ("RNFR", "RNTO done", "250"),
    ("DELE", "DELE", "250"),
    ("DELE", "DELE done", "250"),
    ("MKD", "MKD", "257"),
    ("MKD", "MKD done", "257"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize(("command", "moment", "seen"), TABLE, ids=[f"{row[0]}-{row[1]}" for row in TABLE])
async def test_a_node_dies_at_a_moment_and_the_client_goes_on(tmp_path, command, moment, seen, death):
    work = WORK[command]
    async with bench(tmp_path, **PATIENT) as b:
        b.tree.files |= work.before
        b.arm(moment, DEATHS[death])

        def client(ftp):
            try:
                reply = work.do(ftp)
            except ftplib.error_temp as error:
                reply = str(error)
            return reply, ftp.pwd()

        reply, folder = await b.run(client)
        assert all(not node.fault for node in b.nodes), "the moment never came"
        assert (reply[:3], folder) == (seen, "/")
        assert b.tree.files == work.after
        assert ("/d" in b.tree.folders) == (command == "MKD")
        assert b.program.health().spool_bytes == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("moment", ["greeting", "USER", "PASS"])
async def test_a_node_dies_in_a_login_and_the_client_is_logged_in(tmp_path, moment, death):
    async with bench(tmp_path, **PATIENT) as b:
        b.arm(moment, DEATHS[death])
        assert await b.run(lambda ftp: ftp.pwd()) == "/"
        assert all(not node.fault for node in b.nodes), "the moment never came"


@pytest.mark.asyncio
@pytest.mark.parametrize("death", ["die", "freeze", "vanish"])
async def test_a_node_dies_while_its_session_is_idle_and_the_session_stands_elsewhere(tmp_path, death):
    async with bench(tmp_path, **PATIENT) as b:
        b.tree.folders |= {"/deep", "/deep/er"}

        def session(ftp):
            ftp.cwd("/deep/er")
            home = next(node for node in b.nodes if "CWD /deep/er" in node.commands)
            b.in_loop(getattr(home, death))
            return ftp.pwd(), ftp.sendcmd("TYPE I")[:3], home

        folder, reply, home = await b.run(session)
        assert (folder, reply) == ("/deep/er", "200")
        other = next(node for node in b.nodes if node is not home)
        assert other.commands[:3] == ["USER station", "PASS token", "CWD /deep/er"]


def test_a_node_that_hangs_is_found_within_two_seconds_by_default():
    assert Probe().interval_s + Probe().timeout_s <= 2
    assert Probe().interval_s * Probe().fall <= 2
