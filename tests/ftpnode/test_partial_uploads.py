"""How a client goes on with an upload that was cut: only its account is told, and nobody sees it."""

import pytest

from cluster.publish import Publish
from ftpnode.arrival import TOLD_FROM_BYTES
from tests.ftpnode.raw_client import reset
from tests.kit.wait import until

CAME = b"what has come "


@pytest.fixture
def cut(pair):
    """A session of the account whose upload was cut, the replicator that has what came, and the node."""
    node, replicator = pair
    replicator.partials["station", "Station/cut.rnx"] = CAME
    with node.client() as client:
        yield client, replicator, node
    for file in ("Station/cut.rnx", ".tripod/staging/cut-1"):
        (node.root / file).unlink(missing_ok=True)


def stored(node):
    return (node.root / "Station/cut.rnx").read_bytes()


def test_size_tells_it_to_the_account_alone_and_nothing_shows_it(cut):
    client, _, node = cut
    assert client.ask("SIZE cut.rnx") == f"213 {len(CAME)}"
    assert client.ask("SIZE other.rnx").startswith("550")
    for command in ("MDTM cut.rnx", "MLST cut.rnx"):
        assert client.ask(command).startswith("550")
    for command in ("LIST", "NLST", "MLSD"):
        assert b"cut" not in client.fetch("/", command)[0]
    client.passive_port()
    assert client.ask("RETR cut.rnx").startswith("550")
    with node.connect() as other:
        other.start_tls(node.tls_context()).login("servicedesk", node.cluster.passwords["servicedesk"])
        assert other.ask("SIZE /Station/cut.rnx").startswith("550")


def test_rest_and_stor_go_on_with_as_much_as_the_client_says(cut):
    client, _, node = cut
    assert client.ask("REST 4").startswith("350")
    assert client.store("cut.rnx", b"ever").startswith("226")
    assert stored(node) == b"whatever"
    assert client.ask("SIZE cut.rnx") == "213 8"


def test_rest_beyond_what_has_come_is_refused(cut):
    client, _, _ = cut
    assert client.ask(f"REST {len(CAME) + 1}").startswith("350")
    client.passive_port()
    assert client.ask("STOR cut.rnx").startswith("554")


def test_stor_alone_begins_anew(cut):
    client, _, node = cut
    assert client.store("cut.rnx", b"new").startswith("226")
    assert stored(node) == b"new"


def test_appe_goes_on_for_who_has_just_been_told_how_much_has_come(cut):
    client, _, node = cut
    assert client.ask("SIZE cut.rnx").startswith("213")
    assert client.store("cut.rnx", b"goes on", "APPE").startswith("226")
    assert stored(node) == CAME + b"goes on"


def test_appe_is_refused_to_who_may_not_know_that_something_has_come(cut):
    client, _, node = cut
    client.passive_port()
    assert client.ask("APPE cut.rnx").startswith("450")
    assert not (node.root / "Station/cut.rnx").exists()


def test_appe_is_refused_when_what_was_told_is_gone(cut):
    client, replicator, node = cut
    assert client.ask("SIZE cut.rnx").startswith("213")
    replicator.partials.clear()
    client.passive_port()
    assert client.ask("APPE cut.rnx").startswith("550")
    assert not (node.root / "Station/cut.rnx").exists()


def test_appe_makes_a_file_where_nothing_has_come(cut):
    client, replicator, node = cut
    replicator.partials.clear()
    assert client.ask("SIZE cut.rnx").startswith("550")
    assert client.store("cut.rnx", b"first", "APPE").startswith("226")
    assert stored(node) == b"first"


@pytest.mark.parametrize("end", ["reset", "abor", "close"])
def test_what_came_of_a_large_upload_is_given_to_the_replicator(pair, end):
    node, replicator = pair
    with node.client() as client:
        data = client.data()
        assert client.ask("STOR cut-large.rnx").startswith("125")
        data.sendall(bytes(TOLD_FROM_BYTES))
        until(lambda: replicator.arriving, "the replicator is told")
        if end == "reset":
            reset(data)
            assert client.reply() == "426 Data connection was reset; nothing was stored."
        elif end == "abor":
            assert client.ask("ABOR").startswith("426")
        else:
            client.close()
        until(lambda: replicator.cut, "the replicator is told")
        data.close()
    assert replicator.arriving[0].keep_s == 3600.0
    assert [(cut.staged, cut.keep) for cut in replicator.cut] == [(replicator.arriving[0].staged, True)]
    assert not [request for request in replicator.seen if isinstance(request, Publish)]
    until(lambda: not node.staged(), "staging is empty")


def test_what_came_of_a_small_upload_goes(pair):
    node, replicator = pair
    with node.client() as client:
        data = client.data()
        assert client.ask("STOR cut-small.rnx").startswith("125")
        data.sendall(b"little")
        until(node.staged, "it arrives")
        reset(data)
        assert client.reply().startswith("426")
    until(lambda: not node.staged(), "staging is empty")
    assert replicator.cut == []
