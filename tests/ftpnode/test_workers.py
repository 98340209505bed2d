"""Several workers behind one port are one node: limits, bans, rates, listings, and what operators do."""

import os
import shutil
import signal

import pytest

from cluster.clock import monotonic_s
from tests.ftpnode.running_crew import running_crew, with_workers
from tests.ftpnode.test_watching import guess_wrong, tripod
from tests.kit.cluster_folder import write_cluster
from tests.kit.wait import until

WORKERS = 4
RATE = 500_000
LIMITS = {"sessions_per_address": WORKERS, "ban_failures": WORKERS, "login_attempts": 2}


@pytest.fixture(scope="module")
def crew(tmp_path_factory):
    cluster = write_cluster(tmp_path_factory.mktemp("crew"), nodes=1, replication="none", limits=LIMITS)
    with_workers(cluster, WORKERS, station=f"{{sessions: {WORKERS}}}", lansurvey=f"{{upload_bytes_per_s: {RATE}}}")
    cluster.file.write_text(
        cluster.file.read_text().replace("    workers:", "    logs: {w3c: w3c.log, xferlog: xferlog}\n    workers:")
    )
    with running_crew(cluster, WORKERS) as crew:
        yield crew


@pytest.fixture(autouse=True)
def _nobody_left(crew):
    yield
    crew.leave()


def close(clients):
    for client in clients:
        client.close()


def test_one_session_more_from_an_address_is_refused_whichever_worker_takes_it(crew):
    clients = crew.everywhere("198.51.100.7")
    assert [client.greeting[:3] for client in clients] == ["220"] * WORKERS
    for number in range(1, WORKERS + 1):
        with crew.at(number, "198.51.100.7") as refused:
            assert refused.greeting == "421 Too many sessions from your address."
    with crew.at(1, "198.51.100.8") as other:
        assert other.greeting.startswith("220")
    clients.pop().close()
    until(lambda: crew.health()["sessions"] == WORKERS - 1, "the one that left is counted no more")
    with crew.at(2, "198.51.100.7") as again:
        assert again.greeting.startswith("220")
    close(clients)


def test_one_session_more_of_an_account_is_refused_whichever_worker_takes_it(crew):
    clients = crew.everywhere("198.51.100.1")
    others = crew.everywhere("198.51.100.2")
    assert [crew.log_in(client)[:3] for client in clients] == ["230"] * WORKERS
    assert {crew.log_in(client) for client in others} == {"421 Too many sessions of this account."}
    close(clients + others)


def test_wrong_passwords_at_different_workers_ban_an_address_at_all(crew):
    guessers = crew.everywhere("198.51.100.66")
    assert [guess_wrong(client)[:3] for client in guessers] == ["530"] * WORKERS
    assert [guess_wrong(client)[:3] for client in guessers] == ["421"] * WORKERS
    for number in range(1, WORKERS + 1):
        with crew.at(number, "198.51.100.66") as banned:
            assert banned.greeting.startswith("421 Too many failed logins")
    close(guessers)
    until(lambda: not crew.health()["sessions"], "all have left")
    assert [ban["address"] for ban in crew.document("bans")["bans"]] == ["198.51.100.66"]
    assert crew.metric("ftpnode_bans_total") == 1
    assert tripod(crew, "lift", "198.51.100.66").exit_code == 0
    for number in range(1, WORKERS + 1):
        with crew.at(number, "198.51.100.66") as forgiven:
            assert forgiven.greeting.startswith("220")


def test_uploads_at_two_workers_keep_the_accounts_rate_together(crew):
    """A lower bound: two that kept it each for itself would take half as long, and a busy machine only takes longer."""
    size_bytes = 2 * RATE
    clients = [crew.at(1), crew.at(2)]
    for client in clients:
        assert crew.log_in(client, "lansurvey").startswith("230")
    began_s = monotonic_s()
    flows = [client.data() for client in clients]
    for number, (client, data) in enumerate(zip(clients, flows, strict=True)):
        assert client.ask(f"STOR slow{number}.bin")[:3] in {"125", "150"}
        data.setblocking(False)
    rest = [memoryview(bytes(size_bytes)) for _ in flows]

    def send():
        for number, data in enumerate(flows):
            try:
                rest[number] = rest[number][data.send(rest[number]) :] if rest[number] else rest[number]
            except BlockingIOError:
                continue
        return not any(rest)

    until(send, "all is sent", 60, every_s=0.005)
    close(flows)
    assert [client.reply()[:3] for client in clients] == ["226", "226"]
    assert monotonic_s() - began_s > 2 * size_bytes / RATE - 1.0
    close(clients)


def test_sessions_of_all_workers_are_listed_and_each_can_be_ended(crew):
    clients = crew.everywhere()
    for client in clients:
        crew.log_in(client)
    listed = crew.document("sessions")["sessions"]
    assert [one["account"] for one in listed] == ["station"] * WORKERS
    assert [one["seconds"] for one in listed] == sorted((one["seconds"] for one in listed), reverse=True)
    assert [tripod(crew, "kick", one["id"]).exit_code for one in listed] == [0] * WORKERS
    assert {client.reply() for client in clients} == {"421 An operator ended this session."}
    crew.leave()
    assert tripod(crew, "kick", listed[0]["id"]).exit_code == 1


def test_a_drain_is_seen_by_all(crew):
    assert crew.act("drain") == 200
    assert crew.health()["state"] == "draining"
    for client in crew.everywhere():
        assert client.greeting.startswith("421 This node is being emptied")
        client.close()
    assert crew.act("enable") == 200
    for client in crew.everywhere():
        assert client.greeting.startswith("220")
        client.close()


def test_a_session_more_than_a_workers_slice_of_passive_ports_gets_one_of_its_own_worker(crew):
    slices = [set() for _ in range(WORKERS)]
    for number, client in enumerate(crew.everywhere()):
        crew.log_in(client)
        slices[number] = {client.passive_port() for _ in range(20)}
        client.close()
    ports = crew.node.passive_ports
    edges = [ports.first + len(ports.all()) * number // WORKERS for number in range(WORKERS + 1)]
    for number, seen in enumerate(slices):
        assert seen <= set(range(edges[number], edges[number + 1]))


def test_metrics_of_all_workers_add_up(crew):
    uploads, volume = 'ftpnode_uploads_total{outcome="published"}', 'ftpnode_bytes_total{direction="in"}'
    before = [crew.metric(name) for name in (uploads, volume, "ftpnode_publish_seconds_count")]
    clients = crew.everywhere()
    assert crew.metric("ftpnode_sessions") == WORKERS
    for number, client in enumerate(clients, 1):
        crew.log_in(client)
        assert client.store(f"counted{number}.rnx", bytes(10**number)).startswith("226")
    after = [crew.metric(name) for name in (uploads, volume, "ftpnode_publish_seconds_count")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [WORKERS, 11110, WORKERS]


def test_a_right_password_is_checked_by_each_worker_and_the_log_says_which_worker_it_was(crew):
    seen = len(crew.events("login"))
    for client in crew.everywhere():
        crew.log_in(client)
        client.close()
    assert [event["worker"] for event in crew.events("login")[seen:]] == list(range(1, WORKERS + 1))


def test_every_worker_follows_a_reload_and_none_a_bad_file(crew):
    good = crew.cluster.file.read_text()
    first = crew.cluster.folder / "first.yaml"
    shutil.copy(crew.cluster.file, first)
    open_before = crew.everywhere()
    crew.cluster.file.write_text(good.replace("ingest, Tripod ready", "under new rules"))
    done = tripod_at(first, "reload")
    assert (done.exit_code, done.stdout) == (0, "node1: reloaded, sites changed\n")
    close(open_before)
    until(lambda: not crew.health()["sessions"], "all have left")
    changed = crew.everywhere()
    assert all("under new rules" in client.greeting for client in changed)
    close(changed)
    crew.cluster.file.write_text(good.replace("limits:\n", "limitz:\n"))
    assert "limitz" in tripod_at(first, "reload").stderr
    crew.cluster.file.write_text(good.replace(f"workers: {WORKERS}", "workers: 2"))
    assert "nodes.node1.workers" in tripod_at(first, "reload").stderr
    crew.cluster.file.write_text(good)
    with crew.only(1):
        refused = tripod_at(first, "reload")
    assert refused.exit_code == 1
    assert all(f"worker {number}: cannot follow" in refused.stderr for number in range(2, WORKERS + 1))
    until(lambda: not crew.health()["sessions"], "all have left")
    unchanged = crew.everywhere()
    assert all("under new rules" in client.greeting for client in unchanged), "not even the one that could"
    close(unchanged)
    assert tripod_at(first, "reload").exit_code == 0


def tripod_at(file, *arguments):
    cluster = type("Copy", (), {"file": file})
    return tripod(type("Node", (), {"cluster": cluster}), *arguments)


def test_workers_write_into_the_same_logs_and_begin_new_ones_once(crew):
    w3c = crew.cluster.folder / "w3c.log"
    w3c.rename(w3c.with_suffix(".old"))
    reloaded = len(crew.events("reloaded"))
    crew.process.send_signal(signal.SIGHUP)
    until(lambda: len(crew.events("reloaded")) > reloaded, "the signal is answered")
    for client in crew.everywhere():
        crew.log_in(client)
        client.store("logged.rnx", b"12345")
        client.close()

    def lines():
        return [line for line in w3c.read_text().splitlines() if " STOR " in line]

    assert until(lambda: len(lines()) == WORKERS, "every upload is logged")
    assert w3c.read_text().count("#Fields") == 1
    assert w3c.read_text().startswith("#Software")
    assert len({line.split()[-1] for line in lines()}) == WORKERS, "a line names its session"


def test_a_stuck_worker_is_said_to_be_stuck_and_its_node_stays_fit(crew):
    with crew.only(2):
        until(lambda: "1 of 4 workers serve" in crew.health()["notices"], "the health document says so", 60)
        assert crew.health()["state"] == "ready"
        assert crew.document("sessions") == {"sessions": []}
    crew.until_whole()


def test_while_the_supervisor_is_stuck_new_sessions_are_turned_away_and_open_ones_go_on(crew):
    with crew.at(1) as client:
        crew.log_in(client)
        os.kill(crew.process.pid, signal.SIGSTOP)
        try:
            with crew.connect() as refused:
                assert refused.greeting == "421 This node cannot count its sessions just now; try again later."
            assert client.store("meanwhile.rnx", b"12345").startswith("226")
        finally:
            os.kill(crew.process.pid, signal.SIGCONT)
    until(lambda: crew.health()["sessions"] == 0, "what was turned away is not counted")
    until(lambda: greeting(crew).startswith("220"), "sessions are let in again")


def greeting(crew):
    with crew.connect() as client:
        return client.greeting
