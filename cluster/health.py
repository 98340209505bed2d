"""The health document: what each program says about itself at GET /health on its management address, as JSON."""

from enum import StrEnum

import msgspec


class NodeState(StrEnum):
    """What a node or a replicator is fit for."""

    READY = "ready"
    DRAINING = "draining"
    JOINING = "joining"
    FAILED = "failed"


class CanaryHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How long a small file takes to a peer, measured by canaries: the last, and quantiles of the last 500.

    `late_s`: for how long one has been under way that should have arrived; None when none is late.
    """

    last_s: float | None = None
    p50_s: float | None = None
    p99_s: float | None = None
    late_s: float | None = None


class PeerHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What a replicator knows of one peer: connected, in sync (has a lease), its backlog, how fast it is reached.

    `compared_s_ago`: when its whole index was last compared with ours, in which `differing` folders differed.
    `limit_bytes_per_s` is how much content it may be sent now: null without a limit, 0 while the link is closed.
    """

    peer: str
    connected: bool
    in_sync: bool
    backlog_files: int = 0
    backlog_bytes: int = 0
    heard_s_ago: float | None = None
    canary: CanaryHealth = CanaryHealth()
    compared_s_ago: float | None = None
    differing: int = 0
    limit_bytes_per_s: int | None = None


class ScrubHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How far the files have been read again: `percent` of this round, None between two; when the last one ended.

    `found` files were rotten since the program started; `quarantined` are not whole again yet.
    """

    percent: float | None = None
    ended_s_ago: float | None = None
    found: int = 0
    quarantined: int = 0


class ReplicatorHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One replicator: `notices` are sentences for an operator, empty when all is well.

    `why_blind` says why changes in its root may go unseen, and `blind_for_s` since when; empty and None when none can.
    `to_hear`: the peers whose news it waits for, after its start or theirs; until then it says of nothing that it is
    not there. `held_deletes` wait for an operator to approve them.
    """

    node: str
    incarnation: str
    state: NodeState
    sequence: int = 0
    files: int = 0
    conflicts: int = 0
    wanted_files: int = 0
    watching: bool = True
    why_blind: str = ""
    blind_for_s: float | None = None
    peers: tuple[PeerHealth, ...] = ()
    to_hear: tuple[str, ...] = ()
    held_deletes: int = 0
    scrub: ScrubHealth = ScrubHealth()
    notices: tuple[str, ...] = ()


class FtpnodeHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One ftpnode; `state` READY means: send sessions here. `replicator` is None without one (replication: none).

    `drain_left_s`: how long the sessions of a node that drains may still take; None where there is no deadline.
    """

    node: str
    state: NodeState
    sessions: int = 0
    transfers: int = 0
    disk_free_bytes: int = 0
    disk_total_bytes: int = 0
    uptime_s: float = 0.0
    replicator: ReplicatorHealth | None = None
    drain_left_s: float | None = None
    notices: tuple[str, ...] = ()


class CanaryTrip(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a balancer's last canary that it had `source` send, and looked for at `target`.

    `delay_s`: after how long it was there; None: not within `replication.propagation_late_s`.
    """

    source: str
    target: str
    delay_s: float | None = None


class BalancedNode(msgspec.Struct, frozen=True, kw_only=True):
    """How the balancer sees one node: `why` is the reason for the state in a sentence."""

    node: str
    usable: bool
    state: NodeState
    sessions: int = 0
    transfers: int = 0
    why: str = ""


class BalancerHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One balancer; `process` is its process id on its host."""

    state: NodeState
    process: int = 0
    sessions: int = 0
    transfers: int = 0
    leases_free: int = 0
    spool_bytes: int = 0
    moved_sessions: int = 0
    repeated_uploads: int = 0
    continued_downloads: int = 0
    nodes: tuple[BalancedNode, ...] = ()
    canaries: tuple[CanaryTrip, ...] = ()
    notices: tuple[str, ...] = ()
