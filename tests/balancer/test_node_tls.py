"""TLS between balancer and nodes: who is believed to be a node, and that its data connections are of its session."""

import asyncio
import gc

import msgspec
import pytest

from balancer.core.node_health import ProbeFailed, ProbePassed
from balancer.node_tls import NodeTls
from balancer.prober import Prober
from balancer.tls_pump import TlsPump, TruncatedError
from cluster.problem import ConfigError
from cluster.settings import Settings
from cluster.tls_identity import TlsIdentity
from tests.ftpnode.running import running
from tests.kit.cluster_folder import write_cluster


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Settings:
    return write_cluster(tmp_path_factory.mktemp("tls")).settings


def identity(settings: Settings, node: str) -> TlsIdentity:
    return TlsIdentity(settings.nodes[node].certificate, settings.nodes[node].key)


def shake_hands(client: TlsPump, server: TlsPump) -> None:
    done = [False, False]
    while not all(done):
        for number, (mine, theirs) in enumerate(((client, server), (server, client))):
            done[number] = mine.shake_hands()
            if data := mine.take():
                theirs.feed(data)


def shake(client: TlsPump, server: TlsPump) -> None:
    shake_hands(client, server)
    server.write(b"220 ready")
    client.feed(server.take())
    assert client.read() == b"220 ready"


def test_a_node_is_known_by_the_clusters_authority_and_its_name(settings) -> None:
    tls = NodeTls(settings)
    shake(tls.pump("node1"), TlsPump(identity(settings, "node1").session_context()))
    with pytest.raises(TruncatedError, match="not that of node2"):
        shake(tls.pump("node2"), TlsPump(identity(settings, "node1").session_context()))


def test_a_stranger_with_the_right_name_is_no_node(settings, tmp_path) -> None:
    stranger = identity(write_cluster(tmp_path / "other").settings, "node1")
    with pytest.raises(TruncatedError, match="certificate verify failed"):
        shake(NodeTls(settings).pump("node1"), TlsPump(stranger.session_context()))


def test_a_data_connection_goes_on_with_the_tls_of_its_session_and_of_no_other(settings) -> None:
    tls, node = NodeTls(settings), identity(settings, "node1")
    context, other = node.session_context(), node.session_context()
    control = tls.pump("node1")
    shake(control, TlsPump(context))
    for number, (at, resumed) in enumerate(((context, True), (context, True), (other, False))):
        server = TlsPump(at)
        shake(tls.pump("node1", control.session), server)
        assert server.was_resumed is resumed, number


@pytest.mark.parametrize("end", ["forgotten", "cut"])
def test_a_data_connection_that_ends_badly_spoils_nothing_for_the_next(settings, end) -> None:
    tls, context = NodeTls(settings), identity(settings, "node1").session_context()
    control = tls.pump("node1")
    shake(control, TlsPump(context))
    for _ in range(2):
        client, server = tls.pump("node1", control.session), TlsPump(context)
        shake_hands(client, server)
        assert server.was_resumed
        if end == "cut":
            client.feed(b"")
            with pytest.raises(TruncatedError):
                client.read()
        del client, server
        gc.collect()


def test_a_file_that_is_no_authority_is_a_mistake_with_its_place(settings, tmp_path) -> None:
    (tmp_path / "ca.crt").write_text("nothing")
    cluster = msgspec.structs.replace(settings.cluster, ca=tmp_path / "ca.crt")
    with pytest.raises(ConfigError, match=r"cluster\.ca"):
        NodeTls(msgspec.structs.replace(settings, cluster=cluster))


@pytest.mark.slow
@pytest.mark.parametrize(("shows", "found"), [("node1", ProbePassed), ("node2", ProbeFailed)])
def test_a_node_that_shows_anothers_certificate_is_not_used(tmp_path, shows, found) -> None:
    def edit(text: str) -> str:
        return text.replace("keys/node1.crt", f"keys/{shows}.crt").replace("keys/node1.key", f"keys/{shows}.key")

    cluster = write_cluster(tmp_path / "cluster", replication="none", edit=edit)
    outcomes = []

    async def probe() -> None:
        key, told = cluster.settings.cluster.token_key.read_bytes(), asyncio.Event()

        def report(_node: str, outcome: ProbePassed | ProbeFailed) -> None:
            outcomes.append(outcome)
            told.set()

        probing = asyncio.create_task(Prober(cluster.settings, "node1", key, cluster.management_token(), report).run())
        await told.wait()
        probing.cancel()
        await asyncio.gather(probing, return_exceptions=True)

    with running(cluster):
        asyncio.run(probe())
    assert isinstance(outcomes[0], found)
    if isinstance(outcomes[0], ProbeFailed):
        assert "node1" in outcomes[0].why
        assert "certificate" in outcomes[0].why
