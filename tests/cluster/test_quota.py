"""A quota in a whole cluster: what one node took in counts at the other, and the VIP refuses for both."""

import io
import json
from concurrent.futures import ThreadPoolExecutor
from ftplib import error_perm

import pytest
import yaml
from click.testing import CliRunner

from compose.command import main
from tests.kit.clients import plain_client
from tests.kit.running_cluster import running_cluster
from tests.kit.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(180)]

QUOTA_BYTES, QUOTA_ENTRIES = 1_000_000, 50


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with running_cluster(tmp_path_factory.mktemp("quota"), edit=bound) as cluster:
        yield cluster


def bound(text):
    document = yaml.safe_load(text)
    limits = {"quota_bytes": QUOTA_BYTES, "quota_entries": QUOTA_ENTRIES}
    document["accounts"]["station"]["limits"] = limits
    return yaml.safe_dump(document)


def at_node(cluster, node):
    address = cluster.files.settings.nodes[node].address
    return plain_client(address, 2121, "station", cluster.files.passwords["station"])


def store(client, name, size_bytes):
    try:
        return client.storbinary(f"STOR {name}", io.BytesIO(bytes(size_bytes)))
    except (BrokenPipeError, ConnectionResetError):  # cut while it was sending: the reply says why
        return client.voidresp()


def used(cluster):
    """What each node counts for `station`."""
    shown = CliRunner().invoke(main, ["quota", "--json", "--config", str(cluster.files.file)])
    assert shown.exit_code == 0, shown.output
    found = {}
    for node, told in json.loads(shown.stdout).items():
        (station,) = [one for one in told["accounts"] if one["account"] == "station"]
        found[node] = station["used_bytes"], station["used_entries"]
    return found


def test_what_fills_one_node_is_refused_at_the_other_and_through_the_vip(cluster):
    with at_node(cluster, "node1") as first:
        assert store(first, "first", 900_000).startswith("226")
    with at_node(cluster, "node2") as second, pytest.raises(error_perm, match="552"):
        store(second, "second", 200_000)
    for _ in range(4):  # whichever node the session is given
        with cluster.login("station") as client:
            with pytest.raises(error_perm, match="552"):
                store(client, "third", 200_000)
            assert client.sendcmd("AVBL") == "213 100000"
            assert client.nlst() == ["first"]
    with cluster.login("station") as client:
        assert store(client, "first", 300_000).startswith("226")
        assert store(client, "third", 700_000).startswith("226")
        with pytest.raises(error_perm, match="552"):
            store(client, "fourth", 1)
        for name in ("first", "third"):
            client.delete(name)
    assert used(cluster) == {"node1": (0, 0), "node2": (0, 0)}


def test_uploads_at_once_on_both_nodes_exceed_the_quota_by_no_more_than_was_in_flight(cluster):
    size_bytes, at_once = 130_000, 8

    def push(number):
        with at_node(cluster, f"node{1 + number % 2}") as client:
            try:
                return store(client, f"file{number}", size_bytes)[:3]
            except error_perm as error:
                return str(error)[:3]

    with ThreadPoolExecutor(at_once) as pool:
        replies = list(pool.map(push, range(at_once * 3)))
    assert set(replies) == {"226", "552"}
    stored = replies.count("226")
    assert QUOTA_BYTES - size_bytes < stored * size_bytes <= QUOTA_BYTES + at_once // 2 * size_bytes
    told = {"node1": (stored * size_bytes, stored), "node2": (stored * size_bytes, stored)}
    until(lambda: used(cluster) == told, f"both nodes count what was acknowledged: {told}")
    for name in ("node1", "node2"):
        files = [path for path in (cluster.root(name) / "Station").iterdir() if path.is_file()]
        assert sum(path.stat().st_size for path in files) == stored * size_bytes
