"""What the balancer's management endpoint offers, for GET /openapi.json."""

from importlib.metadata import version
from typing import Any

from balancer.choices import MadeChoices
from cluster.health import BalancerHealth
from cluster.live import Reloaded, Upgraded
from cluster.openapi import Endpoint, openapi

ENDPOINTS = (
    Endpoint(
        method="get",
        path="/health",
        about="How the balancer and its nodes are.",
        answer=BalancerHealth,
        needs_token=False,
    ),
    Endpoint(method="get", path="/metrics", about="Metrics for Prometheus.", answer=None, needs_token=False),
    Endpoint(method="get", path="/choices", about="The last choices of nodes, and why.", answer=MadeChoices),
    Endpoint(
        method="post",
        path="/reload",
        about="Follow cluster.yaml in what can change at once: certificates, and which sites ask clients for theirs.",
        answer=Reloaded,
    ),
    Endpoint(
        method="post",
        path="/upgrade",
        about="Start another balancer, which takes over without a client noticing.",
        answer=Upgraded,
    ),
)


def description() -> dict[str, Any]:
    """The OpenAPI document."""
    return openapi("Tripod balancer", version("tripod-ftp"), ENDPOINTS)
