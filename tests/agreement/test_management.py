"""The management endpoint: health for all, the rest for who has the token, and clear refusals."""

import urllib.request

import prometheus_client
import pytest

from cluster.ask import RefusedError, UnreachableError, get_document, post_action
from cluster.health import FtpnodeHealth, NodeState, ReplicatorHealth
from cluster.live import Ban, Bans
from cluster.management import Management, ManagementThread
from tests.kit.cluster_folder import free_network

BANS = Bans((Ban("192.0.2.7", 60.0),))
HEALTH = FtpnodeHealth(node="node1", state=NodeState.READY, sessions=3)


async def _drain(query) -> FtpnodeHealth:
    if query:
        raise ValueError("drain takes no parameters")
    return FtpnodeHealth(node="node1", state=NodeState.DRAINING)


async def _look_up(query) -> Bans:
    if "address" not in query:
        raise ValueError("whose ban?")
    return Bans(tuple(ban for ban in BANS.bans if ban.address == query["address"]))


@pytest.fixture
def address():
    address = (f"{free_network()}.1", 8021)
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.Counter("uploads", "Uploads", registry=registry).inc()
    management = Management(
        health=lambda: HEALTH,
        registry=registry,
        token="secret",
        actions={"drain": _drain},
        documents={"bans": lambda: BANS},
        lookups={"ban": _look_up},
    )
    thread = ManagementThread(management, *address)
    yield address
    thread.stop()


def test_the_health_document_comes_back_as_it_is(address) -> None:
    assert get_document(address, "health", FtpnodeHealth) == HEALTH


def test_an_action_needs_the_token(address) -> None:
    assert post_action(address, "drain", FtpnodeHealth, token="secret").state is NodeState.DRAINING
    with pytest.raises(RefusedError, match="403"):
        post_action(address, "drain", FtpnodeHealth, token="guess")


def test_a_document_that_tells_of_clients_needs_the_token(address) -> None:
    assert get_document(address, "bans", Bans, token="secret") == BANS
    for guess in ("", "guess", "gu\u00e9ss"):
        with pytest.raises(RefusedError, match="403"):
            get_document(address, "bans", Bans, token=guess)


def test_a_lookup_is_told_what_is_asked_for_and_needs_the_token(address) -> None:
    assert get_document(address, "ban", Bans, token="secret", address="192.0.2.7") == BANS
    assert get_document(address, "ban", Bans, token="secret", address="192.0.2.8 &x=1") == Bans(())
    with pytest.raises(RefusedError, match="whose ban"):
        get_document(address, "ban", Bans, token="secret")
    with pytest.raises(RefusedError, match="403"):
        get_document(address, "ban", Bans, address="192.0.2.7")


def test_metrics_are_open(address) -> None:
    with urllib.request.urlopen(f"http://{address[0]}:{address[1]}/metrics", timeout=5) as answer:
        assert b"uploads_total 1.0" in answer.read()


def test_refusals_say_why(address) -> None:
    with pytest.raises(RefusedError, match="400 drain takes no parameters"):
        post_action(address, "drain", FtpnodeHealth, token="secret", when="now")
    with pytest.raises(RefusedError, match="404"):
        post_action(address, "explode", FtpnodeHealth, token="secret")
    with pytest.raises(RefusedError, match="404"):
        get_document(address, "passwords", FtpnodeHealth)


def test_somebody_elses_answer_is_not_taken_for_a_document(address) -> None:
    with pytest.raises(UnreachableError, match="something else"):
        get_document(address, "health", ReplicatorHealth)


def test_silence_is_said() -> None:
    with pytest.raises(UnreachableError, match="does not answer"):
        get_document((f"{free_network()}.1", 8021), "health", FtpnodeHealth)
