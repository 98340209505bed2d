"""Real replicators on loopback: copies before the answer, catch-up after any death, conflicts kept, trees alike."""

import json
import random
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.request import urlopen

import pytest

from cluster.clock import monotonic_s
from cluster.publish import Done, Fetch, MakeDirectory, Policy, Reason, Refused, Remove, Rename, SetMtime
from tests.kit.cluster_folder import write_cluster
from tests.kit.publish_client import tree
from tests.kit.replicators import Replicators
from tests.kit.wait import PATIENCE_S, until

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

ANY = Policy(nodes="any-peer", when_short="degrade")
STRICT = Policy(nodes="any-peer", when_short="refuse")


@contextmanager
def running(folder, nodes=2, **settings):
    with Replicators(write_cluster(folder / "cluster", nodes=nodes, **settings)) as replicators:
        try:
            yield replicators.start().ready()
        except BaseException:
            for name in replicators.names:
                print(f"--- {name}\n{replicators.log(name)[-4000:]}")
            raise


def test_a_published_file_is_visible_on_both_nodes_when_the_answer_comes(tmp_path):
    with running(tmp_path) as replicators, replicators.client("node1") as client:
        answer = client.upload("Station/ABCD/one.rnx", b"epochs", ANY, mtime_ns=1_700_000_000_000_000_000)
        assert (answer.copies, answer.wanted) == (2, 2)
        for name in replicators.names:
            file = replicators.root(name) / "Station/ABCD/one.rnx"
            assert file.read_bytes() == b"epochs"
            assert file.stat().st_mtime_ns == 1_700_000_000_000_000_000


def test_directories_renames_removals_and_times_are_on_both_nodes_when_the_answer_comes(tmp_path):
    with running(tmp_path) as replicators, replicators.client("node1") as client:
        number = client.next_number
        assert client.ask(MakeDirectory(id=number(), path="Data")).copies == 2
        assert client.ask(MakeDirectory(id=number(), path="Data")).reason is Reason.EXISTS
        assert client.ask(MakeDirectory(id=number(), path="No/Such")).reason is Reason.NOT_FOUND
        client.upload("Data/a.tmp", b"a", ANY)
        client.upload("Data/sub/b", b"b", ANY)
        assert client.ask(Rename(id=number(), source="Data/a.tmp", target="Data/a")).copies == 2
        assert (
            client.ask(Rename(id=number(), source="Data/a", target="Data/sub/b", replace=False)).reason is Reason.EXISTS
        )
        assert client.ask(Remove(id=number(), path="Data/sub", kind="directory")).reason is Reason.NOT_EMPTY
        assert client.ask(Rename(id=number(), source="Data/sub", target="Data/moved")).copies == 2
        assert client.ask(SetMtime(id=number(), path="Data/a", mtime_ns=10**18)).copies == 2
        assert client.ask(Remove(id=number(), path="Data/moved/b", kind="file")).copies == 2
        assert client.ask(Remove(id=number(), path="Data/moved/b", kind="file")).reason is Reason.NOT_FOUND
        assert client.ask(Fetch(id=number(), path="Data/a")).copies == 1
        expected = {"Data": None, "Data/a": b"a", "Data/moved": None}
        for name in replicators.names:
            assert tree(replicators.root(name)) == expected
            assert (replicators.root(name) / "Data/a").stat().st_mtime_ns == 10**18


def test_a_large_file_arrives_in_chunks(tmp_path):
    content = random.Random(1).randbytes(5_000_000)
    with running(tmp_path) as replicators, replicators.client("node1") as client:
        assert client.upload("large", content, ANY).copies == 2
        assert (replicators.root("node2") / "large").read_bytes() == content


def test_the_same_content_again_on_the_other_node_is_no_conflict(tmp_path):
    with running(tmp_path) as replicators:
        with replicators.client("node1") as one, replicators.client("node2") as two:
            assert one.upload("Station/x", b"same", ANY).copies == 2
            before = replicators.health("node2")["sequence"]
            assert two.upload("Station/x", b"same", ANY).copies == 2
            assert replicators.health("node2")["sequence"] == before
        assert replicators.health("node1")["conflicts"] == replicators.health("node2")["conflicts"] == 0


def test_a_dead_peer_degrades_or_refuses_by_policy_and_costs_no_deadline(tmp_path):
    with running(tmp_path) as replicators, replicators.client("node1") as client:
        replicators.kill("node2")
        until(lambda: not replicators.health("node1")["peers"][0]["in_sync"], "node1 knows")
        started_s = monotonic_s()
        degraded = client.upload("degraded", b"1", ANY)
        refused = client.upload("refused", b"2", STRICT)
        assert monotonic_s() - started_s < 1.0
        assert isinstance(degraded, Done)
        assert degraded.degraded
        assert isinstance(refused, Refused)
        assert refused.reason is Reason.TOO_FEW_COPIES
        assert not (replicators.root("node1") / "refused").exists()
        assert any("fewer copies" in notice for notice in replicators.health("node1")["notices"])
        replicators.start("node2").ready()
        assert replicators.alike("the degraded upload arrives") == {"degraded": b"1"}


def test_a_frozen_peer_costs_one_deadline_and_then_nothing(tmp_path):
    settings = {"prepare_timeout_s": 1.0, "lease_s": 30.0}
    with running(tmp_path, replication_settings=settings) as replicators, replicators.client("node1") as client:
        replicators.pause("node2")
        started_s = monotonic_s()
        assert client.upload("first", b"1", ANY).copies == 1
        assert 0.9 < monotonic_s() - started_s < 3.0
        started_s = monotonic_s()
        assert client.upload("second", b"2", ANY).copies == 1
        assert monotonic_s() - started_s < 0.8
        replicators.go_on("node2")
        assert set(replicators.alike("the frozen peer thawed")) == {"first", "second"}
        until(lambda: client.upload("third", b"3", ANY).copies == 2, "the peer is waited for again")


def test_a_node_catches_up_after_a_kill_while_the_others_change_deleted_and_renamed(tmp_path):
    with running(tmp_path, nodes=3) as replicators:
        with replicators.client("node1") as one:
            for number in range(20):
                one.upload(f"Station/{number}", str(number).encode(), Policy(nodes="all"))
        replicators.kill("node3")
        with replicators.client("node1") as one, replicators.client("node2") as two:
            for number in range(20, 40):
                (one if number % 2 else two).upload(f"Data/{number}", str(number).encode(), ANY)
            two.ask(Remove(id=two.next_number(), path="Station/0", kind="file"))
            two.ask(Rename(id=two.next_number(), source="Station/1", target="Station/one"))
            two.upload("Station/2", b"two again", ANY)
        replicators.start("node3")
        found = replicators.alike("node3 caught up")
        assert "Station/0" not in found
        assert "Station/1" not in found
        assert found["Station/one"] == b"1"
        assert found["Station/2"] == b"two again"
        assert len(found) == 2 + 19 + 20
        assert replicators.health("node3")["conflicts"] == 0


def test_uploads_on_both_nodes_while_they_are_cut_end_in_one_winner_and_a_kept_loser(tmp_path):
    with running(tmp_path) as replicators:
        for name, other, content in (("node1", "node2", b"first"), ("node2", "node1", b"second")):
            replicators.kill(other)
            if name not in replicators.processes:
                replicators.start(name)
            until(lambda name=name: (replicators.health(name) or {}).get("state") == "ready", "ready alone")
            with replicators.client(name) as client:
                assert client.upload("Station/x", content, ANY).degraded
        replicators.start("node1").ready()
        assert replicators.alike("one winner") == {"Station": None, "Station/x": b"second"}
        for name in replicators.names:
            (conflict,) = replicators.document(name, "conflicts")["conflicts"]
            assert (conflict["path"], conflict["node"], conflict["winner"]) == ("Station/x", "node1", "node2")
        (conflict,) = replicators.document("node1", "conflicts")["conflicts"]
        assert (replicators.root("node1") / conflict["file"]).read_bytes() == b"first"
        listed = command(replicators, "conflicts", "node1")
        assert "Station/x" in listed.stdout
        replicators.cluster.settings.cluster.management_token.write_text("another")
        assert "403" in command(replicators, "conflicts", "node1").stderr


def test_a_wiped_node_gets_everything_back_and_deletes_nothing(tmp_path):
    with running(tmp_path) as replicators:
        with replicators.client("node1") as client:
            for number in range(10):
                client.upload(f"Station/{number}", str(number).encode(), ANY)
        replicators.kill("node2", signal.SIGTERM)
        shutil.rmtree(replicators.root("node2"))
        shutil.rmtree(replicators.cluster.settings.nodes["node2"].state)
        replicators.start("node2")
        assert len(replicators.alike("the wiped node is whole again")) == 11


def test_a_node_that_lost_its_index_keeps_its_own_files_and_loses_every_conflict(tmp_path):
    with running(tmp_path) as replicators:
        with replicators.client("node1") as client:
            client.upload("Station/x", b"old", ANY)
            replicators.kill("node2", signal.SIGTERM)
            client.upload("Station/x", b"new", ANY)
        shutil.rmtree(replicators.cluster.settings.nodes["node2"].state)
        (replicators.root("node2") / "Station/extra").write_bytes(b"only here")
        replicators.start("node2").ready()
        expected = {"Station": None, "Station/x": b"new", "Station/extra": b"only here"}
        assert replicators.alike("joined with its own files") == expected


def test_a_root_without_its_marker_stops_everything_and_says_so(tmp_path):
    with running(tmp_path) as replicators:
        with replicators.client("node2") as client:
            client.upload("Station/x", b"safe", ANY)
        root = replicators.root("node2")
        root.rename(root.with_name("unmounted"))
        root.mkdir()
        until(lambda: replicators.health("node2")["state"] == "failed", "node2 noticed")
        assert "marker" in replicators.health("node2")["notices"][0]
        replicators.kill("node2")
        replicators.start("node2")
        until(lambda: (replicators.health("node2") or {}).get("state") == "failed", "still failed after a restart")
        assert tree(replicators.root("node1")) == {"Station": None, "Station/x": b"safe"}
        shutil.rmtree(root)
        root.with_name("unmounted").rename(root)
        replicators.ready()
        assert replicators.alike("mounted again") == {"Station": None, "Station/x": b"safe"}


def test_changes_past_the_cluster_reach_the_other_node(tmp_path):
    with running(tmp_path) as replicators:
        root = replicators.root("node1")
        (root / "Data/new").mkdir(parents=True)
        (root / "Data/new/file").write_bytes(b"written past the cluster")
        other = replicators.root("node2") / "Data/new/file"
        until(other.is_file, "the file arrives")
        (root / "Data/new/file").write_bytes(b"changed")
        until(lambda: other.read_bytes() == b"changed", "the change arrives")
        (root / "Data/new/file").unlink()
        until(lambda: not other.exists(), "the removal arrives")
        shutil.rmtree(root / "Data")
        until(lambda: not (replicators.root("node2") / "Data").exists(), "the removed folder goes")


def test_a_file_that_vanished_while_nobody_watched_is_healed(tmp_path):
    with running(tmp_path) as replicators:
        with replicators.client("node1") as client:
            client.upload("Station/x", b"precious", ANY)
        replicators.kill("node1")
        (replicators.root("node1") / "Station/x").unlink()
        replicators.start("node1").ready()
        assert replicators.alike("healed") == {"Station": None, "Station/x": b"precious"}


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_acknowledged_is_lost_when_nodes_are_killed_in_the_middle(tmp_path, seed):
    chance = random.Random(seed)
    acknowledged = {}
    with running(tmp_path) as replicators:

        def upload(number):
            name = replicators.names[number % 2]
            content = f"{seed} {number} ".encode() * 500
            try:
                with replicators.client(name) as client:
                    answer = client.upload(f"Station/{number}", content, ANY)
            except OSError:
                return
            if isinstance(answer, Done):
                acknowledged[f"Station/{number}"] = content

        with ThreadPoolExecutor(6) as pool:
            for burst in range(4):
                uploads = [pool.submit(upload, burst * 100 + number) for number in range(100)]
                uploads[chance.randrange(40)].result()
                victim = chance.choice(replicators.names)
                replicators.kill(victim)
                replicators.start(victim)
                for each in uploads:
                    each.result()
                replicators.ready()
        found = replicators.alike("all alike after the kills", 40)
        assert len(acknowledged) > 100
        assert not {path for path, content in acknowledged.items() if found.get(path) != content}


def command(replicators, what, node, *more):
    arguments = ["--config", replicators.cluster.file, "--node", node, *more]
    return subprocess.run(
        [sys.executable, "-m", "replicator", what, *arguments], check=False, capture_output=True, text=True, timeout=30
    )


def fetched(url):
    with urlopen(url, timeout=5) as answer:
        return answer.read()


def test_status_is_a_table_or_the_document_itself(tmp_path):
    with running(tmp_path) as replicators:
        shown = command(replicators, "status", "node1")
        assert shown.returncode == 0
        assert "node1: ready" in shown.stdout
        assert json.loads(command(replicators, "status", "node1", "--json").stdout)["node"] == "node1"
        node = replicators.cluster.settings.nodes["node1"]
        metrics = f"http://{node.address}:{node.replicator_management_port}/metrics"
        until(
            lambda: b'tripod_replicator_peer_in_sync{peer="node2"} 1.0' in fetched(metrics), "in sync, says the metric"
        )
        replicators.kill("node2")
        gone = command(replicators, "status", "node2")
        assert gone.returncode == 1
        assert gone.stderr.count("\n") == 1


def test_it_ends_cleanly_on_a_signal_and_says_in_one_line_why_it_cannot_start(tmp_path):
    with running(tmp_path) as replicators:
        busy = command(replicators, "run", "node1")
        assert busy.returncode == 1
        assert busy.stderr.strip().splitlines()[-1].startswith("replicator: ")
        assert "Traceback" not in busy.stderr
        assert replicators.kill("node1", signal.SIGTERM) == 0
        assert replicators.kill("node2", signal.SIGINT) == 0
        assert "Traceback" not in replicators.log("node1") + replicators.log("node2")
        replicators.cluster.settings.nodes["node1"].key.unlink()
        missing = command(replicators, "run", "node1")
        assert missing.returncode == 1
        assert missing.stderr.count("\n") == 1
        unknown = command(replicators, "run", "node9")
        assert unknown.returncode == 1
        assert "there is no node 'node9'" in unknown.stderr


def test_nodes_that_are_ended_at_the_same_moment_both_end(tmp_path_factory):
    """A peer lost in the moment of the own end must not swallow the end."""
    for _ in range(3):
        with running(tmp_path_factory.mktemp("end")) as replicators, ThreadPoolExecutor(2) as pool:
            ends = [pool.submit(replicators.kill, node, signal.SIGTERM) for node in ("node1", "node2")]
            assert [end.result(timeout=PATIENCE_S) for end in ends] == [0, 0]
