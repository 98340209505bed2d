"""A flood of deletions on real replicators: held back, shown, outliving a kill, and decided with `tripod approve`."""

import json
import shutil

import pytest
from click.testing import CliRunner

from cluster.publish import Policy
from compose.command import main
from tests.cluster.test_replicators import running
from tests.kit.publish_client import tree
from tests.kit.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

BOTH = Policy(nodes="all", when_short="refuse")


def tripod(replicators, *arguments):
    shown = CliRunner().invoke(main, [*arguments, "--config", str(replicators.cluster.file)])
    assert shown.exit_code == 0, shown.output
    return shown.stdout


def held(replicators, node):
    return replicators.health(node)["held_deletes"]


def fill(client, files):
    for number in range(files):
        assert client.upload(f"Data/{number:02}", f"content {number}".encode(), BOTH).copies == 2


def test_what_somebody_wiped_on_one_disk_is_held_outlives_a_kill_and_comes_back_or_goes(tmp_path):
    with running(tmp_path, replication_settings={"delete_budgets": "{found: {files: 10}}"}) as replicators:
        with replicators.client("node2") as client:
            fill(client, 30)
        whole = tree(replicators.root("node2"))
        shutil.rmtree(replicators.root("node1") / "Data")
        until(lambda: held(replicators, "node1") == 31, "node1 holds them back")
        assert tree(replicators.root("node2")) == whole
        replicators.kill("node1")
        replicators.start("node1").ready()
        assert held(replicators, "node1") == 31
        (notice,) = replicators.health("node1")["notices"]
        assert "31 deletions found on this disk are held back, such as 'Data'" in notice
        listed = json.loads(tripod(replicators, "approve", "node1", "--list", "--json"))
        assert (listed["count"], listed["found"]) == (31, 31)

        with replicators.client("node1") as client:  # other traffic flows
            assert client.upload("Data/new", b"new", BOTH).copies == 2
        tripod(replicators, "approve", "node1", "--restore")
        assert replicators.alike("the files are back") == whole | {"Data/new": b"new"}
        assert held(replicators, "node1") == 0

        shutil.rmtree(replicators.root("node1") / "Data")
        until(lambda: held(replicators, "node1") == 32, "node1 holds them back again")
        assert "32 deletions go" in tripod(replicators, "approve", "node1")
        assert replicators.alike("the deletions have gone") == {}


def test_a_peer_that_tells_of_too_many_deletions_is_not_followed_until_it_is_approved(tmp_path):
    settings = {"delete_budgets": "{found: null, peers: {files: 10}}"}
    with running(tmp_path, replication_settings=settings) as replicators:
        with replicators.client("node2") as client:
            fill(client, 30)
        whole = tree(replicators.root("node2"))
        shutil.rmtree(replicators.root("node1") / "Data")
        root = replicators.root("node2")
        until(lambda: held(replicators, "node2") == len(tree(root)) >= 21, "node2 holds back what exceeds the budget")
        left = tree(root)
        assert left.items() <= whole.items()
        assert "heard of node1" in replicators.health("node2")["notices"][0]
        with replicators.client("node2") as client:
            assert client.upload("new", b"new", BOTH).copies == 2
        tripod(replicators, "approve", "node2", "--restore")
        assert replicators.alike("the files are back on both") == left | {"new": b"new"}


def test_what_is_approved_where_it_was_found_is_not_held_elsewhere(tmp_path):
    settings = {"delete_budgets": "{found: {files: 10}, peers: {files: 10}}"}
    with running(tmp_path, replication_settings=settings) as replicators:
        with replicators.client("node2") as client:
            fill(client, 30)
        shutil.rmtree(replicators.root("node1") / "Data")
        until(lambda: held(replicators, "node1") == 31, "node1 holds them back")
        tripod(replicators, "approve", "node1")
        assert replicators.alike("the deletions have gone") == {}
        assert held(replicators, "node2") == 0
