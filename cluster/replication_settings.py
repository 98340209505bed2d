"""The settings of the replicators, frozen."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from cluster.selection import MAX_PATTERNS
from cluster.settings_values import Bytes, Count, Name, Rate, Seconds, Section


class DeleteBudget(Section, frozen=True):
    """How many deletions within the window are somebody's work; more are a flood, and held back.

    No more than `files`, and no more than `share` of all files; but `at_least` so many may always go.
    """

    files: Count = 1000
    share: Annotated[float, Meta(gt=0, le=1)] = 0.25
    at_least: Count = 20


class DeleteBudgets(Section, frozen=True):
    """The budgets of a node, each for itself; null is none.

    `found` is for files that programs past the cluster have deleted on its disk, `peers` for what all peers together
    have it delete, `clients` for what its own clients delete.
    """

    found: DeleteBudget | None = DeleteBudget()
    peers: DeleteBudget | None = DeleteBudget(files=10_000, share=0.5)
    clients: DeleteBudget | None = None
    window_s: Seconds = 600.0


DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
TimeOfDay = Annotated[str, Meta(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)\Z")]
Compression = Literal["auto", "off"]


class Hours(Section, frozen=True):
    """On these days, `from` one time `to` another, in UTC: so much a second; 0 closes the link, null lifts the limit.

    Hours that end before they begin go on into the next day.
    """

    begin: TimeOfDay = msgspec.field(name="from")
    end: TimeOfDay = msgspec.field(name="to")
    bytes_per_s: Bytes | None
    days: tuple[Day, ...] = DAYS


class Link(Section, frozen=True):
    """How much content `from` one node `to` another: null is no limit. Outside of the hours `bytes_per_s` counts.

    What an upload waits for, and the index, are exempt. `compression` is as for all links where it is null.
    """

    source: Name = msgspec.field(name="from")
    target: Name = msgspec.field(name="to")
    bytes_per_s: Rate | None = None
    schedule: tuple[Hours, ...] = ()
    compression: Compression | None = None


Connection = Annotated[tuple[Name, ...], Meta(min_length=2, max_length=2)]


class Modes(Section, frozen=True):
    """The permissions of files and folders that replicators make, in octal digits, in quotes (YAML has numbers too).

    Their owner, which the replicator runs as, may read and write, and enter folders.
    """

    files: Annotated[str, Meta(pattern=r"^0?[67][0-7]{2}\Z")] = "0644"
    folders: Annotated[str, Meta(pattern=r"^0?7[0-7]{2}\Z")] = "0755"


class Replication(Section, frozen=True):
    """How the replicators work. `mode: none` means that there are none, and every ftpnode publishes by itself.

    In `full-mesh` every two nodes are peers; in `mode: connections` those of each pair in `connections`, and what is
    new goes over the nodes between.
    """

    mode: Literal["full-mesh", "connections", "none"] = "full-mesh"
    connections: tuple[Connection, ...] = ()
    prepare_timeout_s: Seconds = 5.0
    lease_s: Seconds = 3.0
    reconnect_s: Seconds = 1.0
    scan_interval_s: Seconds = 3600.0
    canary_interval_s: Seconds = 3.0  # a blind watcher is found within three of these
    scan_entries_per_s: Annotated[int, Meta(ge=100)] = 20_000  # a scan looks at no more, but for the first
    tombstone_days: Count = 60
    staged_expiry_s: Seconds = 3600.0
    inline_bytes: Annotated[int, Meta(ge=0, le=1 << 20)] = 64 << 10
    delta_above_bytes: Bytes = 1 << 20  # of a larger file that changed only the changed blocks are sent
    partials_bytes: Bytes = 10 << 30  # what is kept of uploads that were cut, on each node
    conflict_store_bytes: Bytes = 10 << 30
    missing_at_scan: Literal["heal", "delete"] = "heal"
    disk_reserve_bytes: Bytes = 64 << 20
    history_entries: Annotated[int, Meta(ge=0, le=100_000_000)] = (
        500_000  # what `tripod explain` remembers, of all paths
    )
    scrub_days: Annotated[int, Meta(ge=0, le=3650)] = 30  # all files are read again within; 0: never
    scrub_bytes_per_s: Annotated[int, Meta(ge=64 << 10)] = 20_000_000  # no faster than this
    propagation_interval_s: Annotated[float, Meta(ge=0, le=86_400)] = 15.0  # between canaries to each peer; 0: none
    propagation_late_s: Seconds = 10.0  # a canary that takes longer is an alarm
    compare_interval_s: Annotated[float, Meta(ge=0, le=31_536_000)] = (
        3600.0  # of whole indexes with each peer; 0: never
    )
    versions_days: Annotated[int, Meta(ge=0, le=3650)] = 7  # replaced or deleted content is kept so long; 0 is off
    versions_bytes: Bytes = 10 << 30
    exclude: Annotated[tuple[str, ...], Meta(max_length=MAX_PATTERNS)] = ()  # paths that are not replicated
    include: Annotated[tuple[str, ...], Meta(max_length=MAX_PATTERNS)] = ()  # those of them that are nevertheless
    names: Literal["exact", "refuse"] = "exact"  # "refuse": no client makes two names that are one on Windows
    modes: Modes | Literal["keep"] = Modes()  # "keep": files have the mode that they have where they were written
    delete_budgets: DeleteBudgets = DeleteBudgets()
    compression: Compression = "auto"  # of content on its way, where it pays
    links: tuple[Link, ...] = ()
