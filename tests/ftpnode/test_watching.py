"""Bans and live sessions: seen and changed through the management endpoint and the `tripod` command."""

import json
import urllib.error

import pytest
from click.testing import CliRunner

from compose.command import main
from tests.ftpnode.raw_client import RawClient
from tests.ftpnode.running import running
from tests.kit.balancer_header import balancer_header
from tests.kit.cluster_folder import write_cluster
from tests.kit.wait import until


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A node that bans after four wrong passwords."""
    limits = {"ban_failures": 4, "login_attempts": 2}
    cluster = write_cluster(tmp_path_factory.mktemp("strict"), nodes=1, replication="none", limits=limits)
    with running(cluster) as node:
        yield node


def tripod(node, *arguments):
    return CliRunner().invoke(main, [*arguments, "--config", str(node.cluster.file)])


def from_client(node, address):
    """A session through the balancer, of a client at `address`."""
    header = balancer_header(node.cluster, address, session="")
    vip = node.cluster.settings.balancer.source_addresses[0]
    return RawClient(node.host, node.port(), source=vip, before=header)


def guess_wrong(client):
    client.ask("USER station")
    return client.ask("PASS wrong")


def test_four_wrong_passwords_ban_the_real_client_behind_the_balancer_and_nobody_else(strict):
    waiting = from_client(strict, "198.51.100.66")
    for _ in range(2):
        with from_client(strict, "198.51.100.66") as client:
            assert [guess_wrong(client)[:3], guess_wrong(client)[:3]] == ["530", "530"]
    with from_client(strict, "198.51.100.66") as banned:
        assert banned.greeting.startswith("421")
    assert guess_wrong(waiting).startswith("421"), "a session that was open before guesses no further"
    waiting.close()
    with from_client(strict, "198.51.100.67") as other:
        other.login("station", strict.cluster.passwords["station"])
    listed = json.loads(tripod(strict, "bans", "--json").stdout)["node1"]["bans"]
    assert [ban["address"] for ban in listed] == ["198.51.100.66"]
    assert 0 < listed[0]["seconds_left"] <= 600

    assert tripod(strict, "lift", "198.51.100.66").exit_code == 0
    with from_client(strict, "198.51.100.66") as forgiven:
        assert forgiven.greeting.startswith("220")
    again = tripod(strict, "lift", "198.51.100.66")
    assert again.exit_code == 1
    assert "banned nowhere" in again.stderr


def test_an_operator_sees_a_transfer_and_ends_it(strict):
    with strict.client() as client, client.data() as data:
        assert client.ask("STOR slow.rnx")[:3] in {"125", "150"}
        data.sendall(b"x" * 5000)

        def seen():
            (found,) = strict.document("sessions")["sessions"]
            return found if found["bytes_up"] == 5000 else None

        found = until(seen, "the session is listed with its bytes")
        assert (found["account"], found["client"], found["site"]) == (
            "station",
            client.socket.getsockname()[0],
            "ingest",
        )
        assert (found["command"], found["path"]) == ("STOR", "/slow.rnx")
        assert found["bytes_per_s"] > 0
        line = tripod(strict, "sessions").stdout.splitlines()[1].split("\t")
        assert line[:4] == ["node1", found["id"], "station", found["client"]]

        assert tripod(strict, "kick", found["id"]).exit_code == 0
        assert client.reply().startswith("426")
        assert client.reply().startswith("421")
        assert client.reply() == ""
    until(lambda: not strict.document("sessions")["sessions"], "the session is gone")
    assert not (strict.root / "Station/slow.rnx").exists()
    gone = tripod(strict, "kick", found["id"])
    assert gone.exit_code == 1
    assert "no node has a session" in gone.stderr


def test_a_listing_never_shows_a_password_and_an_action_needs_the_token(strict):
    with strict.client() as client:
        client.ask("NOOP")
        assert strict.cluster.passwords["station"] not in json.dumps(strict.document("sessions"))
    assert strict.act("kick?id=x", token="wrong") == 403


@pytest.mark.parametrize("document", ["sessions", "bans"])
def test_who_is_logged_in_from_where_is_told_to_operators_alone(strict, document):
    for token in ("", "wrong"):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            strict.document(document, token=token)
    assert strict.document("health", token="")["node"] == "node1"


def test_what_an_action_lacks_is_said(strict):
    assert strict.act("lift") == 400
