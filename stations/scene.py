"""What all actors of one simulation share: where the cluster is, when things happen, where it is written down."""

import ipaddress
import random
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from stations.corpus import Corpus
from stations.ftp_client import Entrance
from stations.journal import Journal


class Homes(msgspec.Struct, frozen=True, kw_only=True):
    """Each account's home relative to the cluster's root, as the journal spells paths; "" is the root itself."""

    station: str = "Station"
    data: str = "Data"
    servicedesk: str = ""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a simulation runs; what the command line says."""

    host: str
    ingest_port: int
    public_port: int
    passwords: Mapping[str, str]
    stations: int
    applications: int
    customers: int
    servicedesk: int
    seconds: float
    hour_s: float
    seed: int
    first_hour: datetime
    hours_ahead: int = 6
    """Hours of files made before the clock starts; later ones are made when they close."""
    source_network: ipaddress.IPv4Network | None = None
    homes: Homes = Homes()
    timeout_s: float = 30.0
    retry_s: float = 2.0
    settle_s: float = 60.0
    customer_pause_s: tuple[float, float] = (0.3, 1.2)
    desk_pause_s: tuple[float, float] = (1.0, 3.0)
    """Between two visits: at least, at most."""
    idlers: int = 0
    idle_s: tuple[float, float] = (1.0, 12.0)
    """Between two looks of an idler: at least, at most."""

    def hour(self, number: int) -> datetime:
        """The beginning of simulated hour `number`."""
        return self.first_hour + timedelta(hours=number)


class Scene:
    """The running simulation as an actor sees it."""

    def __init__(self, settings: Settings, journal: Journal, corpus: Corpus, started_s: float) -> None:
        """`started_s` on the monotonic clock is when the first hour closes."""
        self.settings = settings
        self.journal = journal
        self.corpus = corpus
        self.started_s = started_s
        self.stop = threading.Event()

    def entrance(self, site: Literal["ingest", "public"], account: str, number: int) -> Entrance:
        """How actor `number` (from 1, over all actors of this process) enters `site`."""
        settings = self.settings
        network = settings.source_network
        return Entrance(
            host=settings.host,
            port=settings.ingest_port if site == "ingest" else settings.public_port,
            account=account,
            password=settings.passwords.get(account, "surveyor@example.org"),
            timeout_s=settings.timeout_s,
            source_ip=None if network is None else str(network[number]),
        )

    def chance(self, name: str) -> random.Random:
        """The generator of one actor: the same for the same seed and name."""
        return random.Random(f"{self.settings.seed} {name}")


def path_under(home: str, *parts: str) -> str:
    """A path relative to the cluster's root from one relative to `home`."""
    return "/".join((home, *parts)) if home else "/".join(parts)
