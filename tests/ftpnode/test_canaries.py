"""SITE CANARY: a balancer's probes have a canary sent and look for it; to everybody else there is no such command."""

import pytest

from cluster.proxy_header import ProxyHeader, encode
from cluster.publish import Described, Done, FindCanary, PutCanary, Reason
from tests.ftpnode.fake_replicator import refuse
from tests.ftpnode.test_sessions import balanced, header, token_for

CANARY = "ab" * 32
PROBE = encode(ProxyHeader(source=None, destination=None))


@pytest.fixture
def probe(pair):
    with balanced(pair[0], before=PROBE) as client:
        yield client.login("station", token_for(pair[0], "station"))


def answer(request):
    match request:
        case PutCanary():
            return Described(id=request.id, content_id=CANARY, copies=1, nodes=2)
        case FindCanary():
            return Done(id=request.id, copies=int(request.content_id == CANARY), wanted=0)


def test_a_probe_has_a_canary_sent_and_looks_for_it(pair, probe):
    _, replicator = pair
    replicator.behave(answer)
    assert probe.ask("SITE CANARY PUT") == f"250 {CANARY} is on its way to the other nodes."
    assert probe.ask(f"SITE CANARY GET {CANARY}").startswith("250")
    assert probe.ask(f"SITE CANARY GET {'cd' * 32}").startswith("550")
    assert [type(request) for request in replicator.seen] == [PutCanary, FindCanary, FindCanary]
    replicator.behave(refuse(Reason.NOT_READY))
    assert probe.ask("SITE CANARY PUT").startswith("451")
    assert probe.ask(f"SITE CANARY GET {CANARY}").startswith("451")


@pytest.mark.parametrize(
    "rest", ["", " ", " GET", " GET ", f" GET {CANARY}0", " GET ../canaries", f" {CANARY}", " PUT x"]
)
def test_a_probe_that_says_it_wrong_reads_501(pair, probe, rest):
    assert probe.ask(f"SITE CANARY{rest}").startswith("501")
    assert pair[1].seen == []


def test_nobody_else_may_say_it(pair):
    node, replicator = pair
    with balanced(node, before=header()) as client, node.client() as direct:
        client.login("station", token_for(node, "station"))
        for session in (client, direct):
            told = session.ask("SITE CANARYBIRD PUT")
            for command in ("SITE CANARY PUT", f"SITE CANARY GET {CANARY}", "site canary put"):
                assert session.ask(command) == told
            assert "CANARY" not in session.ask("SITE HELP") + session.ask("FEAT") + session.ask("HELP")
    assert replicator.seen == []


def test_a_node_without_a_replicator_says_451(alone):
    with balanced(alone, before=PROBE) as probe:
        probe.login("station", token_for(alone, "station"))
        assert probe.ask("SITE CANARY PUT").startswith("451")
        assert probe.ask(f"SITE CANARY GET {CANARY}").startswith("451")
