"""The settings of the balancer, frozen: its services, and how it finds and treats nodes."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cluster.settings_values import Bytes, Count, Name, Port, Ports, Seconds, Section

HostName = Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z")]
Verb = Annotated[str, Meta(pattern=r"^[A-Z]{3,8}\Z")]
CommandSet = Literal["all", "upload", "download"] | tuple[Verb, ...]
Scheduler = Literal["least-sessions", "round-robin", "least-bytes", "adaptive"]


class Pool(Section, frozen=True):
    """Nodes that serve together; sessions go to `backup` only while none of `nodes` is usable."""

    nodes: Annotated[tuple[Name, ...], Meta(min_length=1)]
    backup: tuple[Name, ...] = ()


class Route(Section, frozen=True):
    """Sessions of one of the `accounts` (none: of any) from one of the `networks` (none: from any) go to `pool`."""

    pool: Name
    accounts: tuple[Name, ...] = ()
    networks: tuple[str, ...] = ()


class Service(Section, frozen=True):
    """One balanced entrance on the VIP: a site behind a port, and behind another with TLS from the first byte.

    `persistence` keeps sessions of one client network (so many leading bits of its address), one account or both on
    one node; where that is `none`, `scheduler` chooses. The first of `routes` that matches names the pool, else
    `pool` does; without one every node will do. `commands`: what an account may say here beside logging in (without an
    entry: everything): `upload` is what stations need, `download` what readers need, or the verbs one by one.
    `reads: any`: each download may come from another node than the session's, chosen as a new session's is. `hosts`:
    clients that ask for one of these names, by HOST (RFC 7151) or in their TLS handshake (SNI), get that site.
    `tls: pass-through` ends TLS at the node: the balancer passes on bytes that it cannot read, and listens at the VIP
    on every node's passive ports, too.
    """

    site: str
    port: Port
    implicit_port: Port | None = None
    persistence: Literal["none", "client", "account", "client-and-account"] = "client"
    persistence_prefix_v4: Annotated[int, Meta(ge=0, le=32)] = 32
    persistence_prefix_v6: Annotated[int, Meta(ge=0, le=128)] = 64
    scheduler: Scheduler = "least-sessions"
    pool: Name | None = None
    routes: tuple[Route, ...] = ()
    commands: dict[Name, CommandSet] = msgspec.field(default_factory=dict)
    reads: Literal["session", "any"] = "session"
    hosts: dict[HostName, Name] = msgspec.field(default_factory=dict)
    tls: Literal["end", "pass-through"] = "end"

    @property
    def passes_through(self) -> bool:
        """Whether its bytes are the node's to read, and not the balancer's."""
        return self.tls == "pass-through"

    @property
    def sites(self) -> frozenset[str]:
        """Every site that is served here."""
        return frozenset((self.site, *self.hosts.values()))

    @property
    def ports(self) -> dict[str, int]:
        """The ports it listens on, by their names here."""
        return {"port": self.port} | ({"implicit_port": self.implicit_port} if self.implicit_port else {})


class Advertised(Section, frozen=True):
    """The address that PASV tells clients of one network, where it is not the one they connected to (NAT)."""

    clients: str
    address: str


class Spool(Section, frozen=True):
    """The bytes of uploads in flight: what one session and all together may keep for a repeat, and where.

    All together have `memory_bytes` of memory; what does not fit there lies in files in `folder`.
    """

    folder: Path = Path("/var/tmp")  # noqa: S108 - unlinked files of mode 0600; the sticky folder every host has
    session_bytes: Bytes = 256 << 20
    total_bytes: Bytes = 4 << 30
    memory_bytes: Bytes = 512 << 20


class Probe(Section, frozen=True):
    """How nodes are looked after: every `interval_s`; `fall` failures in a row take one out, `rise` put it in.

    One that does not answer for `timeout_s` is out at once, so a node that hangs is found within the sum of both. A
    node that comes back gets its share of new sessions little by little, over `slow_start_s`. Every
    `canary_interval_s` (0: never) each node sends a canary, which is looked for at the others.
    """

    interval_s: Seconds = 0.5
    timeout_s: Seconds = 1.5
    rise: Count = 2
    fall: Count = 2
    slow_start_s: Annotated[float, Meta(ge=0, le=86400)] = 20.0
    canary_interval_s: Annotated[float, Meta(ge=0, le=86400)] = 30.0


class ClientLimits(Section, frozen=True):
    """Bounds on the clients of one network (so many leading bits of their address); without a value there is none.

    `sessions` at once, and `new_sessions_per_s` on average, of which `burst` may come in one moment.
    """

    prefix_v4: Annotated[int, Meta(ge=0, le=32)] = 24
    prefix_v6: Annotated[int, Meta(ge=0, le=128)] = 48
    sessions: Count | None = None
    new_sessions_per_s: Annotated[float, Meta(gt=0)] | None = None
    burst: Count = 20


class Queue(Section, frozen=True):
    """Logins that wait while every node has its `max_sessions`: so many, and each so long; then 421 says why."""

    sessions: Annotated[int, Meta(ge=0, le=100_000)] = 100
    wait_s: Seconds = 10.0


class Balancer(Section, frozen=True):
    """One address for all.

    `listen` is where it binds (default: the VIP itself); `source_addresses` are its own addresses as the nodes see
    them: PROXY headers and session tokens are believed from there alone. A node that owes a reply for
    `reply_timeout_s` is taken for lost; a digest (HASH and its like), for which it reads a whole file, may take
    `digest_timeout_s` longer. `workers` are the processes that serve sessions; one needs no others beside it. A
    balancer that is replaced may finish its sessions for `handover_s`. With `node_tls` it speaks TLS with the nodes
    too, and knows them by the authority of the cluster and their names; `off` is for a network that nobody else can
    reach. `transparent`: it connects to the nodes from its clients' own addresses and sends no PROXY headers; their
    replies must be routed through it.
    """

    vip: str
    certificate: Path
    key: Path
    services: dict[Name, Service]
    passive_ports: Ports
    source_addresses: tuple[str, ...]
    listen: str | None = None
    advertise: tuple[Advertised, ...] = ()
    management_address: str | None = None
    management_port: Port = 8021
    node_tls: Literal["required", "off"] = "required"
    transparent: bool = False
    spool: Spool = Spool()
    probe: Probe = Probe()
    pools: dict[Name, Pool] = msgspec.field(default_factory=dict)
    client_limits: ClientLimits = ClientLimits()
    queue: Queue = Queue()
    connect_timeout_s: Seconds = 2.0
    reply_timeout_s: Seconds = 30.0
    digest_timeout_s: Seconds = 600.0
    handover_s: Seconds = 600.0
    workers: Annotated[int, Meta(ge=1, le=64)] = 1

    @property
    def passes_through(self) -> bool:
        """Whether a service does."""
        return any(service.passes_through for service in self.services.values())

    @property
    def bind_address(self) -> str:
        """Where the services and the passive ports listen."""
        return self.listen or self.vip

    def source_address(self, target: str) -> str:
        """Its own address for connections to `target`: the first of that family (the settings' rules want one)."""
        return next(source for source in self.source_addresses if (":" in source) == (":" in target))

    @property
    def management(self) -> tuple[str, int]:
        """Where the health document and the commands are served."""
        return self.management_address or self.vip, self.management_port
