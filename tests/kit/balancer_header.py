"""What a balancer sends before a session's first byte, for tests that stand where a balancer does."""

from cluster.clock import now_s
from cluster.proxy_header import ProxyHeader, encode
from cluster.signed_header import sign
from tests.kit.cluster_folder import LabCluster


def balancer_header(
    cluster: LabCluster, address: str = "198.51.100.7", session: str = "abc123", **more: object
) -> bytes:
    """A signed PROXY header for a client at `address`."""
    fields = {"source": (address, 5000), "destination": ("198.51.100.1", 21), "session": session} | more
    return signed(cluster, encode(ProxyHeader(**fields)))


def signed(cluster: LabCluster, header: bytes) -> bytes:
    return sign(header, cluster.settings.cluster.token_key.read_bytes(), now_s())
