"""What the balancer counts, for Prometheus."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from cluster.health import BalancedNode, CanaryTrip


class Metrics:
    """The counters of one balancer, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.sessions = Counter(
            "balancer_sessions", "Sessions by how they ended", ["service", "outcome"], registry=self.registry
        )
        self.open_sessions = Gauge(
            "balancer_open_sessions", "Sessions that are open", ["service"], registry=self.registry
        )
        self.turned_away = Counter(
            "balancer_turned_away", "Clients that got 421 at once", ["service"], registry=self.registry
        )
        self.logins = Counter(
            "balancer_logins", "Logins by how they ended", ["service", "node", "reply"], registry=self.registry
        )
        self.transfers = Counter(
            "balancer_transfers",
            "Transfers by how they ended",
            ["service", "verb", "node", "reply"],
            registry=self.registry,
        )
        self.transferred = Counter(
            "balancer_transferred_bytes", "Bytes of transfers", ["service", "verb", "node"], registry=self.registry
        )
        self.data_tls = Counter(
            "balancer_data_tls",
            "Transfers by the TLS of their data connection: none, new, resumed",
            ["service", "data_tls"],
            registry=self.registry,
        )
        self.moved_sessions = Counter(
            "balancer_moved_sessions", "Sessions set up again on another node", registry=self.registry
        )
        self.repeated_uploads = Counter(
            "balancer_repeated_uploads", "Uploads that another node was asked to take", registry=self.registry
        )
        self.continued_downloads = Counter(
            "balancer_continued_downloads", "Downloads that another node went on with", registry=self.registry
        )


class NodeGauges(Collector):
    """How the nodes are at the moment of the question."""

    def __init__(self, nodes: Callable[[], Iterable[BalancedNode]]) -> None:
        self._nodes = nodes

    @override
    def collect(self) -> Iterable[GaugeMetricFamily]:
        usable = GaugeMetricFamily("balancer_node_usable", "1 where new sessions go", labels=["node"])
        sessions = GaugeMetricFamily("balancer_node_sessions", "Sessions on the node", labels=["node"])
        transfers = GaugeMetricFamily("balancer_node_transfers", "Transfers in progress there", labels=["node"])
        for node in self._nodes():
            usable.add_metric([node.node], float(node.usable))
            sessions.add_metric([node.node], node.sessions)
            transfers.add_metric([node.node], node.transfers)
        return usable, sessions, transfers


class CanaryGauges(Collector):
    """What came of the canaries of the last round."""

    def __init__(self, trips: Callable[[], Iterable[CanaryTrip]]) -> None:
        self._trips = trips

    @override
    def collect(self) -> Iterable[GaugeMetricFamily]:
        ways = ["source", "target"]
        seconds = GaugeMetricFamily("balancer_canary_seconds", "Time until the last canary was there", labels=ways)
        lost = GaugeMetricFamily("balancer_canary_lost", "1 where the last canary was not there in time", labels=ways)
        for trip in self._trips():
            lost.add_metric([trip.source, trip.target], float(trip.delay_s is None))
            if trip.delay_s is not None:
                seconds.add_metric([trip.source, trip.target], trip.delay_s)
        return seconds, lost
