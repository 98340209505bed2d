"""The tables of a health report, for the terminal and for the page: titles and rows of text."""

from collections.abc import Sequence

from cluster.health import PeerHealth, ScrubHealth
from compose.findings import Observed
from compose.quantities import shown_bytes, shown_seconds

Table = tuple[tuple[str, ...], Sequence[tuple[str, ...]]]


def node_table(seen: Observed) -> Table:
    """One row for each node."""
    titles = ("node", "ftpnode", "replicator", "sessions", "files", "waiting", "conflicts", "held deletes",
              "read again", "disk free")  # fmt: skip
    return titles, [_node(seen, name) for name in seen.nodes]


def pair_table(seen: Observed) -> Table:
    """One row for each node and each of its peers."""
    titles = ("from", "to", "connected", "owed", "size", "oldest", "a file takes", "99 of 100 in", "compared")
    rows = []
    for name, replicator in seen.replicators.items():
        owed = {each.peer: each for each in seen.backlogs[name].peers} if name in seen.backlogs else {}
        for peer in replicator.peers:
            debt = owed.get(peer.peer)
            entries, size_bytes = (debt.entries, debt.size_bytes) if debt else (peer.backlog_files, peer.backlog_bytes)
            rows.append(
                (
                    name,
                    peer.peer,
                    "yes" if peer.connected else "NO",
                    str(entries),
                    shown_bytes(size_bytes),
                    shown_seconds(debt.oldest_s) if debt else "",
                    _late(peer) or shown_seconds(peer.canary.p50_s),
                    shown_seconds(peer.canary.p99_s),
                    f"{shown_seconds(peer.compared_s_ago)} ago" if peer.compared_s_ago is not None else "not yet",
                )
            )
    return titles, rows


def rate_table(seen: Observed) -> Table:
    """What each node did in the last hour."""
    titles = ("node", "changes made here", "size", "changes that arrived", "size")
    return titles, [
        (name, str(hour.made), shown_bytes(hour.made_bytes), str(hour.arrived), shown_bytes(hour.arrived_bytes))
        for name, hour in ((name, one.last_hour) for name, one in seen.recent.items())
    ]


def certificate_table(seen: Observed) -> Table:
    """Every certificate of the file that is on this host."""
    titles = ("certificate of", "subject", "until", "days left", "state")
    return titles, [
        (one.where, one.subject, f"{one.ends:%Y-%m-%d}" if one.ends else "",
         "" if one.days_left is None else str(one.days_left), one.state.value)
        for one in seen.certificates
    ]  # fmt: skip


def warning_table(seen: Observed, limit: int = 20) -> Table:
    """The last warnings of all nodes, the newest first."""
    lines = sorted(((line.at, name, line.text) for name, one in seen.recent.items() for line in one.warnings),
                   reverse=True)  # fmt: skip
    return ("when", "node", "warning"), lines[:limit]


def _node(seen: Observed, name: str) -> tuple[str, ...]:
    ftpnode, replicator = seen.ftpnodes.get(name), seen.replicators.get(name)
    counts = ("", "", "", "", "") if replicator is None else (
        str(replicator.files), str(replicator.wanted_files), str(replicator.conflicts), str(replicator.held_deletes),
        _read_again(replicator.scrub),
    )  # fmt: skip
    free = ""
    if ftpnode is not None and ftpnode.disk_total_bytes:
        share = ftpnode.disk_free_bytes / ftpnode.disk_total_bytes
        free = f"{shown_bytes(ftpnode.disk_free_bytes)} ({share:.0%})"
    return (
        name,
        ftpnode.state.value if ftpnode else "silent",
        replicator.state.value if replicator else "silent" if seen.replicated else "none",
        str(ftpnode.sessions) if ftpnode else "",
        *counts,
        free,
    )


def _late(peer: PeerHealth) -> str:
    return f"late, {shown_seconds(peer.canary.late_s)}" if peer.canary.late_s is not None else ""


def _read_again(scrub: ScrubHealth) -> str:
    if scrub.percent is not None:
        return f"{scrub.percent:.0f} %"
    return "" if scrub.ended_s_ago is None else f"{shown_seconds(scrub.ended_s_ago)} ago"
