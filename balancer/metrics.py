"""What the balancer counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class Metrics:
    """The counters of one balancer, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.sessions = Counter(
            "balancer_sessions", "Sessions by how they ended", ["service", "outcome"], registry=self.registry
        )
        self.open_sessions = Gauge("balancer_open_sessions", "Sessions that are open", registry=self.registry)
        self.turned_away = Counter(
            "balancer_turned_away", "Clients that got 421 at once", ["service"], registry=self.registry
        )
        self.logins = Counter("balancer_logins", "Logins by node and reply", ["node", "reply"], registry=self.registry)
        self.transfers = Counter(
            "balancer_transfers", "Transfers by verb, node and reply", ["verb", "node", "reply"], registry=self.registry
        )
        self.transferred = Counter(
            "balancer_transferred_bytes", "Bytes of transfers by verb", ["verb"], registry=self.registry
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

    def total(self, name: str) -> int:
        """What the counter `name`, one without labels, shows."""
        return int(self.registry.get_sample_value(f"{name}_total") or 0)
