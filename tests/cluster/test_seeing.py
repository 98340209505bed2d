"""What an operator can see of a running cluster: what each node owes, and the story of a path."""

import contextlib
import json
import signal
import sqlite3

import msgspec
import pytest
from click.testing import CliRunner

from cluster.publish import Policy
from compose.command import main
from replicator.core.place import Place
from tests.kit.cluster_folder import write_cluster
from tests.kit.publish_client import tree
from tests.kit.replicators import Replicators
from tests.kit.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

ANY = Policy(nodes="any-peer", when_short="degrade")


@pytest.fixture(scope="module")
def replicators(tmp_path_factory):
    quick = {"propagation_interval_s": 0.2, "compare_interval_s": 0.5}
    cluster = write_cluster(tmp_path_factory.mktemp("seeing") / "cluster", replication_settings=quick)
    with Replicators(cluster) as replicators:
        yield replicators.start().ready()


def tripod(replicators, *words):
    return CliRunner().invoke(main, [*words, "--config", str(replicators.cluster.file)])


def test_the_story_of_a_path_names_account_holders_and_history(replicators):
    with replicators.client("node1") as client:
        client.upload("Station/ABCD/one.rnx", b"epochs", ANY, account="station")
    replicators.alike("the upload is everywhere")
    told = tripod(replicators, "explain", "/Station/ABCD/one.rnx")
    assert told.exit_code == 0, told.output
    assert "of node1 by station" in told.output
    assert "node1 has it" in told.output
    assert "node2 has it" in told.output
    assert "node1: file of 6 B" in told.output
    assert "node2: heard of node1's change" in told.output
    found = json.loads(tripod(replicators, "explain", "Station/ABCD/one.rnx", "--json").output)
    assert [one["versions"][0]["account"] for one in found.values()] == ["station", "station"]
    assert "no node that answers knows it" in tripod(replicators, "explain", "No/such").output
    refused = tripod(replicators, "explain", "../etc/passwd")
    assert refused.exit_code == 1
    assert "cannot be a path" in refused.output


def test_canaries_time_the_way_between_each_two_nodes_and_are_no_files(replicators):
    def timed():
        return all(peer["canary"]["p99_s"] for name in replicators.names for peer in replicators.health(name)["peers"])

    until(timed, "canaries have arrived both ways")
    for name in replicators.names:
        (peer,) = replicators.health(name)["peers"]
        assert 0 < peer["canary"]["p50_s"] <= peer["canary"]["p99_s"] < 30
        assert peer["canary"]["late_s"] is None
        assert not any("canar" in path for path in tree(replicators.root(name)))
        assert replicators.health(name)["files"] == replicators.health("node1")["files"]


def test_the_nodes_compare_their_indexes_and_find_them_alike(replicators):
    def compared():
        return all(peer["compared_s_ago"] is not None for name in replicators.names
                   for peer in replicators.health(name)["peers"])  # fmt: skip

    until(compared, "both have compared")
    assert [replicators.health(name)["peers"][0]["differing"] for name in replicators.names] == [0, 0]


def test_the_report_says_what_is_missing_and_writes_a_page(replicators, tmp_path):
    shown = tripod(replicators, "report", "--html", str(tmp_path / "report.html"))
    assert shown.exit_code == 1, shown.output  # there is no balancer and no ftpnode here
    assert "3 things must be seen to now" in shown.output
    assert "balancer: does not answer" in shown.output
    assert "replicator does not answer" not in shown.output
    page = (tmp_path / "report.html").read_text()
    assert "3 things must be seen to now" in page
    assert "<svg" in page
    said = json.loads(tripod(replicators, "report", "--json").output)
    assert said["verdict"] == "critical"
    assert set(said["observed"]["recent"]) == set(replicators.names)
    made = [said["observed"]["recent"][name]["last_hour"] for name in replicators.names]
    assert made[0]["made"] >= 1
    assert made[1]["arrived"] >= 1


def test_what_a_node_that_is_down_is_owed(replicators):
    assert {line.split("\t")[3] for line in tripod(replicators, "backlog").stdout.splitlines()[1:]} == {"0"}
    replicators.kill("node2")
    with replicators.client("node1") as client:
        client.upload("owed", b"12345", ANY)
    shown = tripod(replicators, "backlog", "--paths", "5")
    assert shown.exit_code == 1
    assert "node2: " in shown.stderr
    (row,) = [line.split("\t") for line in shown.stdout.splitlines() if line.startswith("node1\t")]
    assert row[:5] == ["node1", "node2", "NO", "1", "5 B"]
    assert row[5].endswith("s")
    assert "node1 → node2\towed" in shown.stdout
    told = tripod(replicators, "explain", "owed").stdout
    assert "node2 does not answer" in told
    (owed,) = json.loads(tripod(replicators, "backlog", "--json").stdout)["node1"]["peers"]
    assert (owed["entries"], owed["size_bytes"]) == (1, 5)
    replicators.start("node2").ready()
    replicators.alike("node2 is back")
    assert tripod(replicators, "backlog").exit_code == 0


def test_a_file_that_the_disk_damaged_is_whole_again_and_its_story_says_so(replicators):
    with replicators.client("node1") as client:
        client.upload("rotting", b"as it was", ANY)
    replicators.alike("the upload is everywhere")
    replicators.kill("node2", signal.SIGTERM)
    damage(replicators.root("node2") / "rotting", replicators.cluster.settings.nodes["node2"].state / "index.sqlite3")
    replicators.start("node2").ready()
    until(lambda: replicators.health("node2")["scrub"]["found"], "node2 reads its files again")
    replicators.alike("node1 has given it back")
    assert (replicators.root("node2") / "rotting").read_bytes() == b"as it was"
    until(lambda: replicators.health("node2")["scrub"]["quarantined"] == 0, "nothing is missed")
    assert "found rotten on the disk" in tripod(replicators, "explain", "rotting").stdout
    (version,) = json.loads(tripod(replicators, "explain", "rotting", "--json").stdout)["node1"]["versions"]
    assert version["node"] == "node1"


def damage(file, database):
    """Change a byte of a file while its replicator is down, and the index, so that the stat says nothing of it."""
    with file.open("r+b") as stream:
        stream.write(b"A")
    status = file.stat()
    with contextlib.closing(sqlite3.connect(database)) as index, index:
        (blob,) = index.execute("SELECT place FROM places WHERE path = 'rotting'").fetchone()
        place = msgspec.msgpack.decode(blob, type=Place)
        row = msgspec.structs.replace(place.row, mtime_ns=status.st_mtime_ns, ctime_ns=status.st_ctime_ns)
        place = msgspec.structs.replace(place, row=row)
        index.execute("UPDATE places SET place = ? WHERE path = 'rotting'", (msgspec.msgpack.encode(place),))
        index.execute("DELETE FROM facts WHERE key = 'scrub'")
