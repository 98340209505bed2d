"""The settings of the balancer, frozen: its services, and how it finds and treats nodes."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from cluster.settings_values import Bytes, Count, Name, Port, Ports, Seconds, Section

Scheduler = Literal["least-sessions", "round-robin", "least-bytes", "adaptive"]


class Service(Section, frozen=True):
    """One balanced entrance on the VIP: a site behind a port, and behind another with TLS from the first byte.

    `persistence` keeps sessions of one client network (so many leading bits of its address), one account or both on
    one node; where that is `none`, `scheduler` chooses.
    """

    site: str
    port: Port
    implicit_port: Port | None = None
    persistence: Literal["none", "client", "account", "client-and-account"] = "client"
    persistence_prefix_v4: Annotated[int, Meta(ge=0, le=32)] = 32
    persistence_prefix_v6: Annotated[int, Meta(ge=0, le=128)] = 64
    scheduler: Scheduler = "least-sessions"

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
    node that comes back gets its share of new sessions little by little, over `slow_start_s`.
    """

    interval_s: Seconds = 0.5
    timeout_s: Seconds = 1.5
    rise: Count = 2
    fall: Count = 2
    slow_start_s: Annotated[float, Meta(ge=0, le=86400)] = 20.0


class Balancer(Section, frozen=True):
    """One address for all.

    `listen` is where it binds (default: the VIP itself); `source_addresses` are its own addresses as the nodes see
    them: PROXY headers and session tokens are believed from there alone. A node that owes a reply for
    `reply_timeout_s` is taken for lost; a digest (HASH and its like), for which it reads a whole file, may take
    `digest_timeout_s` longer. A balancer that is replaced may finish its sessions for `handover_s`.
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
    spool: Spool = Spool()
    probe: Probe = Probe()
    connect_timeout_s: Seconds = 2.0
    reply_timeout_s: Seconds = 30.0
    digest_timeout_s: Seconds = 600.0
    handover_s: Seconds = 600.0

    @property
    def bind_address(self) -> str:
        """Where the services and the passive ports listen."""
        return self.listen or self.vip

    @property
    def management(self) -> tuple[str, int]:
        """Where the health document and the commands are served."""
        return self.management_address or self.vip, self.management_port
