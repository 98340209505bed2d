"""A cluster with a read-only node: it has everything and gives it, takes nothing, and puts right what is done to it."""

import contextlib
import ftplib
import io
import json
from urllib.request import Request, urlopen

import pytest

from tests.kit.clients import plain_client
from tests.kit.running_cluster import running_cluster
from tests.kit.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    def with_mirror(document):
        document["nodes"]["node3"]["read_only"] = True

    with running_cluster(tmp_path_factory.mktemp("mirror"), nodes=3, change=with_mirror) as cluster:
        yield cluster


def upload(cluster, account, name, content):
    with contextlib.closing(cluster.login(account)) as client:
        return client.storbinary(f"STOR {name}", io.BytesIO(content))


def conflicts(cluster, name):
    node, token = cluster.files.settings.nodes[name], cluster.files.management_token()
    url = f"http://{node.address}:{node.replicator_management_port}/conflicts"
    with urlopen(Request(url, headers={"Authorization": f"Bearer {token}"}), timeout=5) as answer:
        return {conflict["path"]: conflict["file"] for conflict in json.load(answer)["conflicts"]}


def test_it_has_what_clients_upload_and_their_sessions_are_elsewhere(cluster):
    assert "2 copies" in upload(cluster, "lansurvey", "one.txt", b"one")
    file = cluster.root("node3") / "Data/one.txt"
    until(lambda: file.exists() and file.read_bytes() == b"one", "the mirror has it")


@pytest.mark.parametrize("change", ["STOR a", "MKD a", "DELE Data/two.txt", "RNFR Data/two.txt", "RMD Data"])
def test_its_clients_are_told_that_it_is_read_only(cluster, change):
    upload(cluster, "lansurvey", "two.txt", b"two")
    file, node = cluster.root("node3") / "Data/two.txt", cluster.files.settings.nodes["node3"]
    until(file.exists, "the mirror has it")
    with contextlib.closing(plain_client(node.address, 2121, "lansurvey", cluster.files.passwords["lansurvey"])) as ftp:
        with pytest.raises(ftplib.error_perm, match=r"550 This node is read-only\."):
            ftp.voidcmd(change)
        got = []
        ftp.retrbinary("RETR two.txt", got.append)
        assert b"".join(got) == b"two"


def test_what_a_program_does_there_is_put_right_and_listed_and_spreads_nowhere(cluster):
    upload(cluster, "lansurvey", "three.txt", b"three")
    root = cluster.root("node3")
    file = root / "Data/three.txt"
    until(file.exists, "the mirror has it")
    (root / "Data/strange.txt").write_bytes(b"strange")
    file.write_bytes(b"changed")
    until(lambda: not (root / "Data/strange.txt").exists(), "what nobody knows is put away")
    until(lambda: file.read_bytes() == b"three", "the file is as its peers have it")
    file.unlink()
    until(lambda: file.exists() and file.read_bytes() == b"three", "and comes back")
    kept = conflicts(cluster, "node3")
    assert {(root / kept[path]).read_bytes() for path in ("Data/strange.txt", "Data/three.txt")} == {
        b"strange",
        b"changed",
    }
    for name in ("node1", "node2"):
        assert not (cluster.root(name) / "Data/strange.txt").exists()
        assert (cluster.root(name) / "Data/three.txt").read_bytes() == b"three"
        assert not conflicts(cluster, name)


def test_when_all_others_are_down_customers_read_on_and_writers_are_told_to_come_again(cluster):
    upload(cluster, "lansurvey", "four.txt", b"four")
    file = cluster.root("node3") / "Data/four.txt"
    until(file.exists, "the mirror has it")
    cluster.parts.kill(tuple(f"{node}.{part}" for node in ("node1", "node2") for part in ("ftpnode", "replicator")))
    got = []
    with contextlib.closing(cluster.anonymous()) as customer:
        customer.retrbinary("RETR four.txt", got.append)
    assert b"".join(got) == b"four"
    with pytest.raises(ftplib.error_temp, match="421"):
        cluster.login("lansurvey")
