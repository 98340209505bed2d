"""Draws what `tripod` prints: new passwords, the cluster's status, a lab's report; colour only on a terminal."""

import datetime
from collections.abc import Iterable, Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from balancer.choices import MadeChoices
from cluster.health import CanaryTrip
from compose.lab.fault import Hit
from compose.lab.report import Report
from compose.quantities import shown_seconds
from compose.status import ClusterStatus

_STYLES = {"ready": "green", "draining": "yellow", "joining": "yellow", "failed": "red", "silent": "bold red"}


def moment(at_ns: int) -> str:
    """A moment in UTC, for people."""
    return f"{datetime.datetime.fromtimestamp(at_ns / 1e9, datetime.UTC):%Y-%m-%d %H:%M:%S}Z"


def show_passwords(console: Console, file: Path, passwords: Mapping[str, str]) -> None:
    """The new accounts, once: the passwords are stored nowhere else."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("account")
    table.add_column("password (shown this once)")
    for account, password in passwords.items():
        table.add_row(account, password)
    console.print(table)
    console.print(f"\nwrote {file}; next: tripod check {file}", highlight=False, soft_wrap=True)


def show_status(console: Console, status: ClusterStatus) -> None:
    """One line for the balancer, one for each node."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("part", "state", "sessions", "transfers", "files", "backlog", "conflicts", "canary", "notices"):
        table.add_column(name, justify="left" if name in {"part", "state", "notices"} else "right")
    balancer = status.balancer
    if balancer is None:
        table.add_row("balancer", _state("silent"))
    else:
        table.add_row("balancer", _state(balancer.state), str(balancer.sessions), str(balancer.transfers))
    unusable = {node.node: node.why for node in balancer.nodes if not node.usable} if balancer else {}
    for name, node in status.nodes.items():
        if node is None:
            table.add_row(name, _state("silent"), "", "", "", "", "", "", unusable.get(name, ""))
            continue
        replicator = node.replicator
        backlog = sum(peer.backlog_files for peer in replicator.peers) if replicator else 0
        said = (*node.notices, *(replicator.notices if replicator else ()), unusable.get(name, ""))
        table.add_row(
            name,
            _state(node.state),
            str(node.sessions),
            str(node.transfers),
            str(replicator.files) if replicator else "",
            str(backlog) if replicator else "",
            str(replicator.conflicts) if replicator else "",
            _arrival(name, balancer.canaries) if balancer else "",
            "; ".join(text for text in said if text),
        )
    console.print(table)


def show_choices(console: Console, made: MadeChoices) -> None:
    """One line for each node that was looked at, the newest choice last."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("when", "service", "account", "client", "node", "why"):
        table.add_column(name, overflow="fold")
    for choice in made.choices:
        when = datetime.datetime.fromtimestamp(choice.at_s, datetime.UTC).strftime("%H:%M:%S")
        first = [when, choice.service, choice.account, choice.client]
        for node, verdict in sorted(choice.verdicts.items(), key=lambda entry: entry[0] != choice.node):
            name = f"[bold green]{escape(node)}[/]" if node == choice.node else escape(node)
            table.add_row(*map(escape, first), name, escape(verdict))
            first = [""] * 4
        if not choice.verdicts:
            table.add_row(*map(escape, first), "", "no node is in its pool")
    console.print(table)


def show_report(console: Console, report: Report) -> None:
    """What a lab run found."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column()
    uploads, downloads = report.uploads, report.downloads
    table.add_row("uploads", f"{uploads.acknowledged} acknowledged of {uploads.started}, {uploads.client_errors} cut")
    table.add_row("lost", Text(str(uploads.lost), style="bold red" if uploads.lost else "green"))
    table.add_row("downloads", f"{downloads.finished} finished, {downloads.client_errors} cut")
    table.add_row("corrupt", Text(str(downloads.corrupt), style="bold red" if downloads.corrupt else "green"))
    sessions = report.idle_sessions
    table.add_row("idle sessions", f"{sessions.answered} answers, {sessions.client_errors} cut")
    balancer = sum(fault.hit is Hit.BALANCER for fault in report.faults)
    table.add_row("faults", f"{len(report.faults) - balancer} of nodes, {balancer} of the balancer")
    unexplained = report.unexplained_errors
    noticed = Text(str(unexplained), style="bold red" if unexplained else "green")
    table.add_row("unexplained errors", noticed)
    if report.upgraded:
        table.add_row("upgraded", ", ".join(report.upgraded))
    table.add_row("226 after", _seconds(report.ack_seconds.p50, report.ack_seconds.p99))
    table.add_row("on every node after", _seconds(report.replication_seconds.p50, report.replication_seconds.p99))
    identical = report.nodes_identical and report.settled
    table.add_row("nodes identical", Text("yes" if identical else "NO", style="green" if identical else "bold red"))
    if report.unexpected:
        table.add_row("unexpected", Text(str(len(report.unexpected)), style="bold red"))
    if report.violations:
        table.add_row("violations", Text(str(report.violations), style="bold red"))
    console.print(table)
    for line in (*report.missing, *report.different, *report.unexpected):
        console.print(Text(f"  {line}", style="red"), soft_wrap=True)


def _arrival(node: str, trips: Iterable[CanaryTrip]) -> str:
    """How long the slowest of the balancer's canaries took to a node, or from where none came."""
    to_here = [trip for trip in trips if trip.target == node]
    lost = [trip.source for trip in to_here if trip.delay_s is None]
    if lost:
        return f"not from {', '.join(lost)}"
    return shown_seconds(max((trip.delay_s for trip in to_here if trip.delay_s is not None), default=None))


def _state(state: str) -> Text:
    return Text(state, style=_STYLES.get(state, ""))


def _seconds(p50: float | None, p99: float | None) -> str:
    if p50 is None or p99 is None:
        return "nothing measured"
    return f"{p50 * 1000:.0f} ms (median), {p99 * 1000:.0f} ms (99 of 100)"
