"""What a replicator measures for Prometheus."""

import prometheus_client
from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Measures:
    """The metrics of one replicator, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        self.requests = Counter(
            "tripod_replicator_requests_total", "Requests of the ftpnode by outcome", ["kind", "outcome"],
            registry=self.registry,
        )  # fmt: skip
        self.request_seconds = Histogram(
            "tripod_replicator_request_seconds", "Time from a request to its answer", ["kind"], buckets=_SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self.prepare_seconds = Histogram(
            "tripod_replicator_prepare_seconds", "Time until enough peers held the content", buckets=_SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self.heads = Gauge("tripod_replicator_heads", "Heads in the index", registry=self.registry)
        self.wanted = Gauge("tripod_replicator_wanted_files", "Paths whose disk lags the index", registry=self.registry)
        self.missing = Gauge(
            "tripod_replicator_missing_files", "Wanted paths whose content no peer has", registry=self.registry
        )
        self.conflicts = Gauge("tripod_replicator_conflicts", "Listed conflicts", registry=self.registry)
        self.backlog = Gauge(
            "tripod_replicator_backlog_files", "Changes that a peer is known to lack", ["peer"], registry=self.registry
        )
        self.in_sync = Gauge(
            "tripod_replicator_peer_in_sync", "1 while the peer has a lease", ["peer"], registry=self.registry
        )
        self.rescans = Counter("tripod_replicator_rescans_total", "Scans of the whole root", registry=self.registry)
        self.watch_rebuilds = Counter(
            "tripod_replicator_watch_rebuilds_total", "Times the watcher was found blind", registry=self.registry
        )
        self.watch_overflows = Counter(
            "tripod_replicator_watch_overflows_total", "Times events were lost in the kernel's queue",
            registry=self.registry,
        )  # fmt: skip
        self.watch_blind = Gauge(
            "tripod_replicator_watch_blind", "1 while changes past the cluster may go unseen", registry=self.registry
        )
        self.unwatched = Gauge(
            "tripod_replicator_unwatched_folders", "Folders that the kernel does not watch", registry=self.registry
        )
        self.canary_seconds = Histogram(
            "tripod_replicator_canary_seconds", "Time that a canary, which goes as files go, took to the peer",
            ["peer"], buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.canary_last_seconds = Gauge(
            "tripod_replicator_canary_last_seconds", "Time that the last canary took to the peer", ["peer"],
            registry=self.registry,
        )  # fmt: skip
        self.canary_late = Gauge(
            "tripod_replicator_canary_late", "1 while a canary to the peer is late", ["peer"], registry=self.registry
        )
        self.canaries_lost = Counter(
            "tripod_replicator_canaries_lost_total", "Canaries that did not arrive", ["peer"], registry=self.registry
        )
        self.compared = Counter(
            "tripod_replicator_comparisons_total", "Comparisons of the whole index with the peer's", ["peer"],
            registry=self.registry,
        )  # fmt: skip
        self.compared_differing = Counter(
            "tripod_replicator_comparison_differing_folders_total", "Folders that differed and were told anew",
            ["peer"], registry=self.registry,
        )  # fmt: skip
        self.scrubbed_bytes = Counter(
            "tripod_replicator_scrubbed_bytes_total", "Bytes of files that were read again", registry=self.registry
        )
        self.rotten = Counter(
            "tripod_replicator_rotten_files_total", "Files whose content the disk had damaged", registry=self.registry
        )
        self.quarantined = Gauge(
            "tripod_replicator_quarantined_files", "Rotten files that no peer has given back yet",
            registry=self.registry,
        )  # fmt: skip
