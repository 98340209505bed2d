"""The Prometheus metrics of one ftpnode."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_PUBLISH_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Every metric, in a registry of its own so that two nodes in one process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.logins = Counter(
            "ftpnode_logins", "Logins by account and result.", ("account", "result"), registry=self.registry
        )
        self.uploads = Counter("ftpnode_uploads", "Uploads by how they ended.", ("outcome",), registry=self.registry)
        self.downloads = Counter(
            "ftpnode_downloads", "Downloads by how they ended.", ("outcome",), registry=self.registry
        )
        self.bytes = Counter("ftpnode_bytes", "Bytes of file content moved.", ("direction",), registry=self.registry)
        self.refused_sessions = Counter("ftpnode_refused_sessions", "Connections turned away.", registry=self.registry)
        self.bans = Counter("ftpnode_bans", "Addresses banned for failed logins.", registry=self.registry)
        self.sessions = Gauge("ftpnode_sessions", "Open sessions.", registry=self.registry)
        self.transfers = Gauge("ftpnode_transfers", "Transfers under way.", registry=self.registry)
        self.publish_seconds = Histogram(
            "ftpnode_publish_seconds",
            "From the end of an upload's data to the publisher's answer.",
            registry=self.registry,
            buckets=_PUBLISH_BUCKETS_S,
        )
