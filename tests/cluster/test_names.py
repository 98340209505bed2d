"""Names that are one on Windows, on real nodes: refused to clients, and where two nodes took one each, both stay."""

import io
import json
from ftplib import error_perm

import pytest
from click.testing import CliRunner

from cluster.publish import Policy, Reason
from compose.command import main
from tests.cluster.test_replicators import running
from tests.kit.running_cluster import running_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(180)]
LOCAL = Policy(nodes="local")
COMPOSED, DECOMPOSED = "caf\u00e9.rnx", "cafe\u0301.rnx"


def test_what_two_nodes_take_alone_stays_on_both_and_is_listed(tmp_path):
    with running(tmp_path, replication_settings={"names": "refuse"}) as replicators:
        replicators.kill("node2")
        _upload(replicators, "node1", "a.rnx", COMPOSED)
        replicators.kill("node1")
        replicators.start("node2").ready()
        _upload(replicators, "node2", "A.rnx", DECOMPOSED)
        replicators.start("node1").ready()
        both = {"a.rnx": b"node1", COMPOSED: b"node1", "A.rnx": b"node2", DECOMPOSED: b"node2"}
        assert replicators.alike("both nodes show all four") == both
        for name in replicators.names:
            listed = replicators.document(name, "oddities")
            assert (listed["namesake_count"], listed["namesakes"]) == (2, [["A.rnx", "a.rnx"], [DECOMPOSED, COMPOSED]])
            assert any("more than once for Windows" in notice for notice in replicators.health(name)["notices"])
        with replicators.client("node1") as client:
            assert client.upload("A.RNX", b"x", LOCAL).reason is Reason.NAMESAKE
        shown = CliRunner().invoke(main, ["oddities", "--config", str(replicators.cluster.file)])
        assert shown.exit_code == 0, shown.output
        assert shown.output.count("one name on Windows with a.rnx") == 2
        told = CliRunner().invoke(main, ["oddities", "--json", "--config", str(replicators.cluster.file)])
        assert json.loads(told.output)["node2"]["namesake_count"] == 2


def _upload(replicators, node, *names):
    with replicators.client(node) as client:
        for name in names:
            assert client.upload(name, node.encode(), LOCAL).copies == 1


def test_a_client_reads_553_and_why(tmp_path):
    with (
        running_cluster(tmp_path, change=lambda document: document["replication"].update(names="refuse")) as cluster,
        cluster.login("station") as client,
    ):
        client.storbinary("STOR one.rnx", io.BytesIO(b"one"))
        for command in ("STOR ONE.rnx", "APPE One.RNX"):
            with pytest.raises(error_perm, match=r"553 .* but for letter case"):
                client.transfercmd(command)  # the client has not sent a byte yet
        for refused in (
            lambda: client.storbinary("STOR ONE.rnx", io.BytesIO(b"two")),
            lambda: client.mkd("One.rnx"),
        ):
            with pytest.raises(error_perm, match=r"553 .* but for letter case, Unicode form"):
                refused()
        client.storbinary("STOR two.rnx", io.BytesIO(b"two"))
        client.sendcmd("RNFR two.rnx")
        with pytest.raises(error_perm, match=r"553 .* but for letter case"):
            client.sendcmd("RNTO ONE.RNX")
        client.rename("one.rnx", "One.rnx")
        assert sorted(client.nlst()) == ["One.rnx", "two.rnx"]
