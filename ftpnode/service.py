"""Everything the sessions of one node share: its settings, its tree, its publisher, its worker threads, its numbers."""

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from cluster.publish import SOCKET_NAME
from cluster.settings import Settings
from ftpnode.access_logs import AccessLogs
from ftpnode.bans import BanList
from ftpnode.drain import Drain
from ftpnode.local_publisher import LocalPublisher
from ftpnode.metrics import Metrics
from ftpnode.paces import Paces
from ftpnode.ports import Publisher
from ftpnode.replicator_client import ReplicatorClient
from ftpnode.sessions import Sessions
from ftpnode.staging import Staging
from ftpnode.tree import Tree
from ftpnode.verified_passwords import VerifiedPasswords
from ftpnode.vital_signs import VitalSigns

_DISK_THREADS: Final = 4
_DIGEST_THREADS: Final = 2  # whoever may read may ask for the digest of any file, again and again


class Workers:
    """The worker threads, in pools so that one kind of waiting does not hold up another."""

    def __init__(self, *, password_checks: int, publishes: int) -> None:
        self.passwords = ThreadPoolExecutor(password_checks, "password")
        self.publishes = ThreadPoolExecutor(publishes, "publish")
        self.fetches = ThreadPoolExecutor(publishes, "fetch")
        self.disk = ThreadPoolExecutor(_DISK_THREADS, "disk")
        self.digests = ThreadPoolExecutor(_DIGEST_THREADS, "digest")
        self.watch = ThreadPoolExecutor(1, "watch")

    def stop(self) -> None:
        """Start nothing more and wait for nobody."""
        for pool in (self.passwords, self.publishes, self.fetches, self.disk, self.digests, self.watch):
            pool.shutdown(wait=False, cancel_futures=True)


class Service:
    """One node's ftpnode, but for its sockets. Making it reads the secrets: OSError when one cannot be read."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.name = name
        self.adopt(settings)
        self.token_key = settings.cluster.token_key.read_bytes()
        self.management_token = settings.cluster.management_token.read_text().strip()
        self.access_logs = AccessLogs(self.node.logs)
        self.tree = Tree(self.node.root)
        self.staging = Staging(self.node.root)
        self.has_replicator = settings.replication.mode == "full-mesh"
        self.publisher: Publisher = (
            ReplicatorClient(self.node.state / SOCKET_NAME) if self.has_replicator else LocalPublisher(self.node.root)
        )
        self.drain = Drain(self.node.state)
        self.sessions = Sessions()
        self.bans = BanList()
        self.paces = Paces()
        self.metrics = Metrics()
        self.metrics.sessions.set_function(lambda: self.sessions.count)
        self.metrics.transfers.set_function(lambda: self.sessions.transfers)
        self.workers = Workers(
            password_checks=self.limits.password_checks_at_once, publishes=self.limits.publishes_at_once
        )
        self.vital_signs = VitalSigns(
            node=name,
            root=self.node.root,
            reserve_bytes=settings.replication.disk_reserve_bytes,
            replicator=self.publisher if self.has_replicator else None,
            drain=self.drain,
            sessions=self.sessions,
        )
        self.verified_passwords = VerifiedPasswords()
        self.publishing = 0
        """How many publishes are under way, also those whose client has gone."""
        self.homes_seen: set[str] = set()
        """Homes that stand on this disk; they are made at the first login."""

    def adopt(self, settings: Settings) -> None:
        """Work by these settings from now on; `ftpnode.core.reload` says which changes a running node can follow."""
        self.settings = settings
        self.node = settings.nodes[self.name]
        self.limits = settings.limits
