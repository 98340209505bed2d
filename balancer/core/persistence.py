"""What keeps a session on the node of earlier ones: the client's network, the account, both, or nothing."""

from balancer.core.client_network import network_of
from cluster.balancer_settings import Service


def persistence_key(service: Service, client: str, account: str) -> str | None:
    """Sessions with one key go to one node while it is there; None: each goes where it is best."""
    match service.persistence:
        case "none":
            return None
        case "client":
            return network_of(client, service.persistence_prefix_v4, service.persistence_prefix_v6)
        case "account":
            return account
        case "client-and-account":
            return f"{network_of(client, service.persistence_prefix_v4, service.persistence_prefix_v6)} {account}"
