"""The settings of a whole cluster, frozen, as cluster.yaml describes them: types, units, defaults, bounds.

`cluster.read_settings` makes these from the file; `cluster.settings_rules` checks what one field alone cannot show.
Every Path is absolute after reading: relative ones are taken from the folder of cluster.yaml.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta

from cluster.balancer_settings import Balancer
from cluster.publish import Policy, PolicyName, WhenShort
from cluster.quota import Quota
from cluster.replication_settings import Replication
from cluster.settings_values import Bytes, Count, Name, Port, Ports, Quantity, Rate, Seconds, Section
from cluster.upgrade_settings import Upgrade

DeniedPath = Annotated[str, Meta(pattern=r"^(?!.*/\.{1,2}(/|\Z))(/[^/\\]+)+\Z")]

ANONYMOUS_NAMES: Final = frozenset({"anonymous", "ftp"})
"""User names, in any case, that mean the account of a site that has no password."""


class Right(StrEnum):
    """What an account may do below its home; `list` and entering folders come with `read`."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    RENAME = "rename"
    MAKE_DIRECTORY = "make-directory"


class Resumption(StrEnum):
    """Whether TLS on data connections has to resume the session of the control connection."""

    OFF = "off"
    PREFER = "prefer"
    REQUIRE = "require"


class Cluster(Section, frozen=True):
    """What binds the nodes: their name, the authority that signed their certificates, the shared secrets.

    `sftp_host_key` is one for all nodes, so that a client that moves to another one meets the host it knows.
    `client_ca` certifies clients, and nothing else: whoever it certifies under an account's name is that account, where
    `client_certificate` says so. It must be an authority of your own, and another than `ca`.
    """

    name: Name
    ca: Path
    token_key: Path
    management_token: Path
    sftp_host_key: Path | None = None
    client_ca: Path | None = None


class Compatibility(Section, frozen=True):
    """What the clients of one account need of it, beside what every server does.

    `latin1_names`: names are Latin-1 on the wire in both directions (they are UTF-8 in the tree).
    `replace_on_rename`: RNTO may replace a file that is there; IIS does not unless told to.
    """

    backslash_paths: bool = True
    case_insensitive: bool = False
    latin1_names: bool = False
    listing: Literal["unix", "msdos"] = "unix"
    replace_on_rename: bool = True
    active_mode: bool = True


class AccountLimits(Section, frozen=True):
    """Bounds on one account, on each node: without a value there is none. `networks` are those it may log in from.

    The quota is on all that stands below the account's home in the cluster's tree, whoever put it there: `quota_bytes`
    on the bytes of files, `quota_entries` on files and directories. It is refused to add more, with 552.
    """

    sessions: Count | None = None
    sessions_per_address: Count | None = None
    upload_bytes_per_s: Rate | None = None
    download_bytes_per_s: Rate | None = None
    networks: tuple[str, ...] = ()
    quota_bytes: Quantity | None = None
    quota_entries: Quantity | None = None


class Account(Section, frozen=True):
    """Who logs in. Without `password` the account is anonymous: any password will do, and `write` is refused.

    `deny` are paths as the account sees them: with all that is below, they are not there for it. `data_tls_resumption`
    proves that a data connection is from the client of the control connection, where that speaks TLS: `require`
    refuses others with 522 (and clear ones with 521), `prefer` only logs them. curl and lftp resume, ftplib never does.
    `public_keys` (lines as in an OpenSSH authorized_keys file) let it in over SFTP, where anonymous accounts are not.
    `client_certificate` of the TLS handshake: `optional` lets its own certificate stand for the password, whatever PASS
    says; `required` wants the certificate and the right password (over SFTP: a public key). Its own are those of
    `client_fingerprints` (SHA-256), or, where it has none, those signed by `cluster.client_ca` whose subject's common
    name is the account's; in either case between their dates. What came of an upload that was cut is kept, hidden, for
    `keep_cut_uploads_s` (0: it is not), so that its client may go on where it stopped.
    """

    home: str
    rights: tuple[Right, ...]
    password: str | None = None
    public_keys: tuple[str, ...] = ()
    tls: Literal["optional", "required"] = "optional"
    client_certificate: Literal["no", "optional", "required"] = "no"
    client_fingerprints: tuple[str, ...] = ()
    data_tls_resumption: Resumption = Resumption.OFF
    deny: tuple[DeniedPath, ...] = ()
    policy: PolicyName = "any-peer"
    when_short: WhenShort = "degrade"
    keep_cut_uploads_s: Annotated[float, Meta(ge=0, le=30 * 86_400)] = 3600.0
    compatibility: Compatibility = Compatibility()
    limits: AccountLimits = AccountLimits()

    @property
    def needs_tls(self) -> bool:
        """Whether it logs in and moves data over TLS alone."""
        return self.tls == "required" or self.client_certificate == "required"

    def publish_policy(self) -> Policy:
        """The policy its changes are published with."""
        return Policy(nodes=self.policy, when_short=self.when_short)

    def quota(self) -> Quota | None:
        """The quota its changes are published with, where it has one."""
        limits = self.limits
        if limits.quota_bytes is None and limits.quota_entries is None:
            return None
        return Quota(home=self.home.strip("/"), bytes=limits.quota_bytes, entries=limits.quota_entries)


class Site(Section, frozen=True):
    """An entrance of every node: its FTP port, who may log in, how it greets; and its SFTP port, where it has one.

    On `implicit_port` clients speak TLS from their first byte (implicit FTPS, often 990); on `port` after AUTH TLS.
    """

    port: Port
    accounts: tuple[str, ...]
    greeting: str = "Tripod ready."
    host_names: tuple[str, ...] = ()  # what HOST (RFC 7151) takes beside the address itself; "*" is any name
    sftp_port: Port | None = None
    implicit_port: Port | None = None

    @property
    def ports(self) -> dict[str, int]:
        """The ports it listens on, by their names here."""
        ports = {"port": self.port, "implicit_port": self.implicit_port, "sftp_port": self.sftp_port}
        return {name: port for name, port in ports.items() if port is not None}


class AccessLogFiles(Section, frozen=True):
    """Files that get a line for each command (W3C extended, as of IIS) and for each transfer (xferlog); or none."""

    w3c: Path | None = None
    xferlog: Path | None = None


class Node(Section, frozen=True):
    """One host's pair of programs: an ftpnode and a replicator over one root folder.

    `root` holds what the clients see, `state` the index and the publish socket; `certificate` and `key` are the node's
    own, for FTPS and for its peers. `replicator_address` is for replicators that do not share the ftpnode's address,
    as in containers. `workers` are the processes that serve the ftpnode's clients; one needs no others beside it.
    `read_only`: it mirrors the others, its clients change nothing, and it is no copy that a policy counts.
    `weight` is its share of new sessions beside the others'; of those through the balancer it takes `max_sessions` at
    most.
    """

    address: str
    root: Path
    state: Path
    certificate: Path
    key: Path
    passive_ports: Ports
    replicator_address: str | None = None
    read_only: bool = False
    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    management_port: Port = 8021
    replicator_management_port: Port = 8022
    peer_port: Port = 8023
    logs: AccessLogFiles = AccessLogFiles()
    weight: Annotated[int, Meta(ge=1, le=100)] = 1
    max_sessions: Count | None = None

    @property
    def replicator_host(self) -> str:
        """Where the replicator listens and from where it dials its peers."""
        return self.replicator_address or self.address

    @property
    def management(self) -> tuple[str, int]:
        """Where the ftpnode's health document and commands are served."""
        return self.address, self.management_port

    @property
    def replicator_management(self) -> tuple[str, int]:
        """Where the replicator's health document is served."""
        return self.replicator_host, self.replicator_management_port


class Limits(Section, frozen=True):
    """Bounds on clients, on every node.

    A transfer ends when it stands still for `transfer_stall_s`, or moves fewer than `minimum_bytes_per_s` on average
    over that time (0: as slow as it likes). A directory of more than `listing_entries` is not listed but answered 550.
    """

    sessions: Count = 2000
    sessions_per_address: Count = 200
    login_timeout_s: Seconds = 30.0
    login_attempts: Count = 3
    login_delay_s: Annotated[float, Meta(ge=0, le=60)] = 1.0
    ban_failures: Count = 4  # wrong passwords from one client address within ban_window_s: it gets 421 for ban_s
    ban_window_s: Seconds = 30.0
    ban_s: Seconds = 600.0
    ban_exempt: tuple[str, ...] = ()  # networks that are never banned, such as 192.0.2.0/24
    idle_timeout_s: Seconds = 300.0
    transfer_stall_s: Seconds = 60.0
    minimum_bytes_per_s: Bytes = 240
    listing_entries: Count = 100_000
    passive_accept_s: Seconds = 30.0
    password_checks_at_once: Annotated[int, Meta(ge=1, le=64)] = 2
    publishes_at_once: Annotated[int, Meta(ge=1, le=256)] = 16
    publish_timeout_s: Seconds = 20.0  # below balancer.reply_timeout_s, so that the 451 arrives before patience ends


class Settings(Section, frozen=True):
    """A whole cluster.yaml."""

    cluster: Cluster
    accounts: dict[Name, Account]
    sites: dict[Name, Site]
    nodes: dict[Name, Node]
    balancer: Balancer
    replication: Replication = Replication()
    limits: Limits = Limits()
    upgrade: Upgrade = Upgrade()

    @property
    def writers(self) -> frozenset[str]:
        """The nodes through which clients may change things, which policies count."""
        return frozenset(name for name, node in self.nodes.items() if not node.read_only)

    def readers_at(self, site: str) -> frozenset[str]:
        """The accounts of a site that may change nothing."""
        return frozenset(name for name in self.sites[site].accounts if set(self.accounts[name].rights) <= {Right.READ})

    def peers_of(self, node: str) -> frozenset[str]:
        """The nodes that `node` has links with."""
        if self.replication.mode == "connections":
            pairs = [pair for pair in self.replication.connections if node in pair]
            return frozenset(name for pair in pairs for name in pair if name in self.nodes) - {node}
        return frozenset(self.nodes) - {node}

    def asks_for_certificates(self, site: str) -> bool:
        """Whether somebody who may log in at `site` can be known by a certificate."""
        return any(self.accounts[name].client_certificate != "no" for name in self.sites[site].accounts)
