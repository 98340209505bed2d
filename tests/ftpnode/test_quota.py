"""Quotas as clients meet them: 552 before the first byte, in the middle, and when the publisher has the last word."""

import json
import shutil

import pytest
import yaml
from click.testing import CliRunner

from cluster.publish import MakeDirectory, Publish, Reason
from cluster.quota import Quota
from compose.command import main
from tests.ftpnode.fake_replicator import FakeReplicator, hang, refuse
from tests.ftpnode.running import running
from tests.kit.cluster_folder import write_cluster
from tests.kit.wait import until

LIMITS = {"publish_timeout_s": 1.5, "transfer_stall_s": 5.0, "minimum_bytes_per_s": 0}
BYTES, ENTRIES = 100_000, 6


def _bound(text):
    document = yaml.safe_load(text)
    document["accounts"]["servicedesk"]["tls"] = "optional"
    document["accounts"]["station"]["limits"] = {"quota_bytes": BYTES, "quota_entries": ENTRIES}
    return yaml.safe_dump(document)


@pytest.fixture(scope="module")
def _bounded(tmp_path_factory):
    cluster = write_cluster(tmp_path_factory.mktemp("bounded"), nodes=1, replication="none", limits=LIMITS, edit=_bound)
    with running(cluster) as node:
        yield node


@pytest.fixture
def bounded(_bounded):
    """A node without a replicator whose account `station` has a quota, and nothing below its home."""
    yield _bounded
    with _bounded.client() as client:
        for path in sorted((_bounded.root / "Station").rglob("*"), reverse=True):
            view = path.relative_to(_bounded.root / "Station")
            assert client.ask(f"{'RMD' if path.is_dir() else 'DELE'} /{view}").startswith("250")


@pytest.fixture(scope="module")
def _bounded_pair(tmp_path_factory):
    cluster = write_cluster(tmp_path_factory.mktemp("bounded-pair"), nodes=2, limits=LIMITS, edit=_bound)
    with FakeReplicator(cluster.settings.nodes["node1"]) as replicator, running(cluster) as node:
        yield node, replicator


@pytest.fixture
def bounded_pair(_bounded_pair):
    """The same with a fake replicator, which counts but refuses nothing by itself."""
    node, replicator = _bounded_pair
    replicator.behave()
    (node.root / "Station").mkdir(exist_ok=True)
    yield node, replicator
    replicator.behave()
    shutil.rmtree(node.root / "Station")


def test_an_upload_to_a_full_account_is_refused_before_its_first_byte(bounded):
    with bounded.client() as client:
        assert client.store("full", bytes(BYTES)).startswith("226")
        for command in ("STOR more", "APPE more", "STOU more"):
            with client.data():
                assert client.ask(command).startswith("552")
        assert client.ask("AVBL") == "213 0"
        assert (bounded.root / "Station/full").stat().st_size == BYTES
        assert bounded.staged() == []


@pytest.mark.parametrize("command", ["STOR", "APPE", "STOU"])
def test_an_upload_that_outgrows_the_quota_is_cut_and_nothing_of_it_appears(bounded, command):
    with bounded.client() as client:
        assert client.store("there", bytes(BYTES - 1000)).startswith("226")
        with client.data() as data:
            assert client.ask(f"{command} more")[:3] in {"125", "150"}
            data.sendall(bytes(1001))
            assert client.reply() == "552 Over the quota of this account; nothing was stored."
        assert client.fetch("", "NLST")[0] == b"there\r\n"
        until(lambda: bounded.staged() == [], "nothing is left in staging")
        assert client.store("more", bytes(1000)).startswith("226")


def test_the_old_file_stays_whole_when_its_successor_outgrows_the_quota(bounded):
    with bounded.client() as client:
        assert client.store("there", b"o" * BYTES).startswith("226")
        assert client.store("there", b"n" * (BYTES + 1)).startswith("552")
        assert client.fetch("there")[0] == b"o" * BYTES
        assert client.store("there", b"n" * BYTES).startswith("226")
        assert client.fetch("there")[0] == b"n" * BYTES


def test_what_is_appended_or_resumed_counts_with_what_is_kept(bounded):
    with bounded.client() as client:
        client.store("grows", bytes(BYTES - 10))
        assert client.store("grows", bytes(11), "APPE").startswith("552")
        assert client.store("grows", bytes(10), "APPE").startswith("226")
        client.ask("REST 50000")
        assert client.store("grows", bytes(BYTES - 50000 + 1)).startswith("552")
        client.ask("REST 50000")
        assert client.store("grows", bytes(100)).startswith("226")
        assert client.ask("SIZE grows") == "213 50100"
        assert client.ask("AVBL") == f"213 {BYTES - 50100}"


def test_what_is_removed_or_replaced_by_a_rename_is_given_back(bounded):
    with bounded.client() as client:
        client.store("one", bytes(60_000))
        client.store("two", bytes(40_000))
        assert client.ask("RNFR two").startswith("350")
        assert client.ask("RNTO one").startswith("250")
        assert client.ask("AVBL") == "213 60000"
        assert client.ask("DELE one").startswith("250")
        assert client.ask("AVBL") == f"213 {BYTES}"


def test_directories_are_entries_and_there_are_only_so_many(bounded):
    with bounded.client() as client:
        for number in range(ENTRIES):
            assert client.ask(f"MKD d{number}").startswith("257")
        assert client.ask("MKD one-more").startswith("552")
        assert client.ask("AVBL") == "213 0"
        with client.data():
            assert client.ask("STOR file").startswith("552")
        assert client.ask("RMD d0").startswith("250")
        assert client.store("file", b"1").startswith("226")
        assert client.store("file", b"22").startswith("226")


def test_accounts_without_a_quota_are_not_bounded_by_anothers(bounded):
    with bounded.client("servicedesk") as desk, bounded.client() as client:
        assert desk.store("/Station/large", bytes(2 * BYTES)).startswith("226")
        with client.data():
            assert client.ask("STOR small").startswith("552")
        assert client.store("large", bytes(2 * BYTES)).startswith("226")


def test_a_quota_follows_the_file_without_a_restart(bounded):
    before = bounded.cluster.file.read_text()
    with bounded.client() as client:
        try:
            bounded.cluster.file.write_text(before.replace(f"quota_bytes: {BYTES}", "quota_bytes: 10"))
            assert bounded.act("reload") == 200
            assert client.ask("AVBL") == "213 10"
            assert client.store("x", bytes(11)).startswith("552")
        finally:
            bounded.cluster.file.write_text(before)
            assert bounded.act("reload") == 200
        assert client.ask("AVBL") == f"213 {BYTES}"


def test_the_publisher_has_the_last_word(bounded_pair):
    node, replicator = bounded_pair
    quota = Quota(home="Station", bytes=BYTES, entries=ENTRIES)
    with node.client() as client:
        replicator.behave(refuse(Reason.OVER_QUOTA))
        assert client.store("late", b"fits").startswith("552")
        assert client.ask("MKD late").startswith("552")
        published, made = replicator.seen
        assert (type(published), published.quota) == (Publish, quota)
        assert (type(made), made.quota) == (MakeDirectory, quota)
        replicator.behave()
        assert client.store("late", b"fits").startswith("226")


def test_with_a_replicator_the_room_is_what_it_counts(bounded_pair):
    node, _ = bounded_pair
    (node.root / "Station/from-elsewhere").write_bytes(bytes(BYTES - 10))
    with node.client() as client:
        assert client.ask("AVBL") == "213 10"
        assert client.store("x", bytes(11)).startswith("552")
        assert client.store("from-elsewhere", bytes(BYTES)).startswith("226")
        with client.data():
            assert client.ask("STOR x").startswith("552")


def test_a_replicator_that_does_not_answer_is_a_451_before_the_first_byte(bounded_pair, monkeypatch):
    node, replicator = bounded_pair
    monkeypatch.setattr(replicator, "_measured", hang)
    with node.client() as client, client.data():
        assert client.ask("STOR x").startswith("451")


def test_tripod_quota_shows_every_account_its_home_and_how_full_it_is(bounded):
    config = ["--config", str(bounded.cluster.file)]
    with bounded.client() as client:
        client.store("half", bytes(BYTES // 2))
    shown = CliRunner().invoke(main, ["quota", *config])
    assert shown.exit_code == 0, shown.output
    lines = {line.split("\t")[1]: line.split("\t") for line in shown.stdout.splitlines()}
    assert lines["station"] == ["node1", "station", "/Station", "50 kB", "100 kB", "1", "6", "50 %"]
    assert lines["servicedesk"][4::2] == ["", ""]
    told = json.loads(CliRunner().invoke(main, ["quota", "--json", *config]).stdout)
    (station,) = [one for one in told["node1"]["accounts"] if one["account"] == "station"]
    assert (station["used_bytes"], station["quota_bytes"]) == (50_000, BYTES)
    assert (station["used_entries"], station["quota_entries"]) == (1, ENTRIES)


def test_tripod_quota_says_when_the_replicator_does_not_answer(bounded_pair, monkeypatch):
    node, replicator = bounded_pair
    monkeypatch.setattr(replicator, "_measured", hang)
    shown = CliRunner().invoke(main, ["quota", "--config", str(node.cluster.file)])
    assert shown.exit_code == 1
    assert "node1" in shown.stderr
    assert "replicator" in shown.stderr
