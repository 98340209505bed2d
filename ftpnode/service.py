"""Everything the sessions of one process share: settings, tree, publisher, tally, worker threads, numbers."""

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from cryptography.x509 import Certificate

from cluster.place import Place
from cluster.publish import SOCKET_NAME
from cluster.settings import Settings
from ftpnode.access_logs import AccessLogs
from ftpnode.client_authorities import read_client_authorities
from ftpnode.local_publisher import LocalPublisher
from ftpnode.metrics import Metrics
from ftpnode.ports import Publisher
from ftpnode.replicator_client import ReplicatorClient
from ftpnode.sessions import Sessions
from ftpnode.staging import Staging
from ftpnode.tally import Tally
from ftpnode.tree import Tree
from ftpnode.verified_passwords import VerifiedPasswords

_DISK_THREADS: Final = 4
_FLUSH_THREADS: Final = 4
_DIGEST_THREADS: Final = 2  # whoever may read may ask for the digest of any file, again and again
_ALONE: Final = Place()


class Workers:
    """The worker threads, in pools so that one kind of waiting does not hold up another."""

    def __init__(self, *, password_checks: int, publishes: int) -> None:
        self.passwords = ThreadPoolExecutor(password_checks, "password")
        self.publishes = ThreadPoolExecutor(publishes, "publish")
        self.fetches = ThreadPoolExecutor(publishes, "fetch")
        self.disk = ThreadPoolExecutor(_DISK_THREADS, "disk")
        self.flushes = ThreadPoolExecutor(_FLUSH_THREADS, "flush")
        self.digests = ThreadPoolExecutor(_DIGEST_THREADS, "digest")
        self.watch = ThreadPoolExecutor(1, "watch")

    def stop(self) -> None:
        """Start nothing more and wait for nobody."""
        for pool in (self.passwords, self.publishes, self.fetches, self.disk, self.flushes, self.digests, self.watch):
            pool.shutdown(wait=False, cancel_futures=True)


class Service:
    """One process of a node's ftpnode, but for its sockets.

    Making it reads secrets and opens the logs: OSError or ConfigError when one cannot be used.
    """

    def __init__(self, settings: Settings, name: str, tally: Tally, place: Place = _ALONE) -> None:
        self.name = name
        self.place = place
        self.adopt(settings, read_client_authorities(settings.cluster))
        self.token_key = settings.cluster.token_key.read_bytes()
        self.access_logs = AccessLogs(self.node.logs)
        self.tree = Tree(self.node.root)
        self.staging = Staging(self.node.root, place.mark)
        self.has_replicator = has_replicator(settings)
        self.publisher = publisher_of(settings, name)
        self.tally = tally
        self.sessions = Sessions(tally)
        self.metrics = Metrics()
        self.metrics.sessions.set_function(lambda: self.sessions.count)
        self.metrics.transfers.set_function(lambda: self.sessions.transfers)
        self.workers = Workers(
            password_checks=place.share(self.limits.password_checks_at_once),
            publishes=place.share(self.limits.publishes_at_once),
        )
        self.verified_passwords = VerifiedPasswords()
        self.publishing = 0
        """How many publishes are under way, also those whose client has gone."""
        self.homes_seen: set[str] = set()
        """Homes that stand on this disk; they are made at the first login."""

    def adopt(self, settings: Settings, client_authorities: tuple[Certificate, ...]) -> None:
        """Work by these settings from now on; `ftpnode.core.reload` says which changes a running node can follow."""
        self.settings = settings
        self.client_authorities = client_authorities
        self.node = settings.nodes[self.name]
        self.limits = settings.limits
        self.passive_ports = self.place.slice(self.node.passive_ports.all())

    @property
    def minds_names(self) -> bool:
        """Whether the replicator refuses names that are one with another on Windows."""
        return self.has_replicator and self.settings.replication.names == "refuse"

    def close(self) -> None:
        """Start nothing more, and give up what is under way."""
        self.publisher.close()
        self.workers.stop()
        self.access_logs.close()


def has_replicator(settings: Settings) -> bool:
    """Whether changes go through a replicator."""
    return settings.replication.mode != "none"


def publisher_of(settings: Settings, name: str) -> Publisher:
    """What makes changes visible on node `name`."""
    node = settings.nodes[name]
    return ReplicatorClient(node.state / SOCKET_NAME) if has_replicator(settings) else LocalPublisher(node.root)
