"""Workers and their supervisor die and end: what clients see, what is on the disk, what is counted, what is left."""

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.ftpnode.running_crew import running_crew, with_workers
from tests.ftpnode.test_command import only_line, start
from tests.kit.cluster_folder import write_cluster
from tests.kit.wait import until

WORKERS = 2
UPLOADS = 'ftpnode_uploads_total{outcome="published"}'


@pytest.fixture
def cluster(tmp_path):
    limits = {"sessions_per_address": 2}
    cluster = write_cluster(tmp_path, nodes=1, replication="none", limits=limits)
    return with_workers(cluster, WORKERS, station="{sessions: 2}")


@pytest.fixture
def crew(cluster):
    with running_crew(cluster, WORKERS) as crew:
        yield crew


def begin_upload(crew, client, name):
    """A data connection that has brought half of a file."""
    assert crew.log_in(client).startswith("230")
    data = client.data()
    assert client.ask(f"STOR {name}")[:3] in {"125", "150"}
    data.sendall(b"half")
    return data


def files(crew):
    return sorted(path.name for path in (crew.root / "Station").iterdir())


def test_a_killed_worker_takes_its_own_sessions_with_it_and_nothing_else(crew):
    dies, stays = crew.at(1), crew.at(2)
    with begin_upload(crew, dies, "dies.rnx") as cut, begin_upload(crew, stays, "stays.rnx") as whole:
        until(lambda: sum(one["bytes_up"] for one in crew.document("sessions")["sessions"]) == 8, "both are staged")
        assert sorted(name.split("-")[1] for name in crew.staged()) == ["1", "2"]
        os.kill(crew.pids[1], signal.SIGKILL)
        assert dies.reply() == "", "the control connection is cut, and nothing was promised"
        cut.settimeout(10)
        assert cut.recv(1) == b"", "so is the data connection"
        until(lambda: crew.health()["sessions"] == 1, "its session counts no more")
        assert [one["account"] for one in crew.document("sessions")["sessions"]] == ["station"]
        until(lambda: [name.split("-")[1] for name in crew.staged()] == ["2"], "what it had staged is gone")
        whole.sendall(b" and half")
    assert stays.reply().startswith("226")
    assert files(crew) == ["stays.rnx"]
    assert (crew.root / "Station/stays.rnx").read_bytes() == b"half and half"
    crew.until_whole()
    (death,) = crew.events("a worker has died")
    assert (death["worker"], death["how"]) == (1, "SIGKILL")
    again = crew.at(1)
    assert again.greeting.startswith("220")
    assert crew.log_in(again).startswith("230"), "the dead session is counted neither by address nor by account"
    assert again.store("again.rnx", b"again").startswith("226")


def test_what_a_dead_worker_had_counted_stays_in_the_metrics(crew):
    for number in (1, 2):
        client = crew.at(number)
        crew.log_in(client)
        assert client.store(f"{number}.rnx", b"x").startswith("226")
    assert crew.metric(UPLOADS) == 2
    os.kill(crew.pids[1], signal.SIGKILL)
    until(lambda: crew.events("a worker has died"), "the death is seen")
    crew.until_whole()
    assert crew.metric(UPLOADS) == 2
    assert crew.metric("ftpnode_sessions") == 1


def test_a_worker_that_dies_again_and_again_is_started_ever_later(crew):
    for _ in range(3):
        pid = crew.pids[1]
        os.kill(pid, signal.SIGKILL)
        until(lambda pid=pid: crew.pids[1] != pid, "another one serves")
    assert [event["again_in_s"] for event in crew.events("a worker has died")] == [0.1, 0.2, 0.4]


def test_with_every_worker_dead_the_node_says_it_has_failed_until_one_serves_again(crew):
    seen = []
    for pid in crew.pids.values():
        os.kill(pid, signal.SIGSTOP)
    until(lambda: crew.health()["state"] == "failed", "the health document says so")
    seen += crew.health()["notices"]
    for pid in crew.pids.values():
        os.kill(pid, signal.SIGKILL)
    until(lambda: crew.health()["state"] == "ready", "it is fit again", 60)
    assert seen == ["none of 2 workers serves"]
    with crew.client() as client:
        assert client.store("later.rnx", b"x").startswith("226")


def test_a_worker_that_is_told_to_end_is_replaced_and_other_signals_are_for_the_supervisor(crew):
    pid = crew.pids[1]
    for how in (signal.SIGINT, signal.SIGHUP):
        os.kill(pid, how)
    with crew.client() as client:
        assert client.ask("NOOP").startswith("200")
    assert crew.pids[1] == pid
    os.kill(pid, signal.SIGTERM)
    until(lambda: crew.pids[1] != pid, "another one serves")
    assert crew.events("a worker has died")[0]["how"] == "exit status 0"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_node_stops_cleanly_with_sessions_open_and_leaves_no_process_behind(crew, how):
    clients = [crew.at(1), crew.at(2)]
    flows = [begin_upload(crew, client, f"half{number}.rnx") for number, client in enumerate(clients)]
    assert crew.stop(how) == 0
    assert crew.processes() == []
    assert len(crew.events("stopped")) == 1
    assert files(crew) == []
    for one in flows:
        one.close()


def test_workers_end_when_their_supervisor_is_killed_and_the_next_start_cleans_up(cluster):
    with running_crew(cluster, WORKERS) as crew:
        clients = [crew.at(1), crew.at(2)]
        flows = [begin_upload(crew, client, f"half{number}.rnx") for number, client in enumerate(clients)]
        crew.stop(signal.SIGKILL)
        until(lambda: crew.processes() == [], "no process is left")
        assert [client.reply() for client in clients] == ["", ""]
        assert files(crew) == []
        for one in flows:
            one.close()
        until(lambda: not listens(crew), "the port is free")
        crew.start()
        assert crew.staged() == []
        with crew.client() as client:
            assert client.store("whole.rnx", b"whole").startswith("226")


def listens(crew):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return bool(probe.connect_ex((crew.host, crew.port())) == 0)


def test_what_stands_in_the_way_of_a_start_is_said_in_one_line(cluster):
    node = cluster.settings.nodes["node1"]
    arguments = ("--config", str(cluster.file), "--node", "node1")
    with socket.create_server((node.address, cluster.settings.sites["public"].port)):
        assert "sites.public.port" in only_line(start(*arguments))
    with socket.create_server((node.address, node.management_port)):
        assert "management_port" in only_line(start(*arguments))
    right = node.key.read_bytes()
    node.key.write_bytes(cluster.settings.balancer.key.read_bytes())
    assert "not a usable pair" in only_line(start(*arguments))
    node.key.write_bytes(right)


def test_one_worker_needs_no_process_beside_it(alone):
    threads = list(Path(f"/proc/{alone.process.pid}/task").iterdir())
    assert threads
    assert [thread.joinpath("children").read_text() for thread in threads] == [""] * len(threads)
