"""The command `replicator`: runs one, asks one how it is, lists the conflicts it knows."""

import asyncio
import gc
import signal
import sqlite3
from pathlib import Path
from typing import TypeVar

import click
import msgspec

from cluster.ask import RefusedError, UnreachableError, get_document
from cluster.command import (
    config_option,
    give_up,
    hosted_settings_or_exit,
    json_option,
    log_format_option,
    node_option,
    node_settings_or_exit,
    token_or_exit,
)
from cluster.health import ReplicatorHealth, ScrubHealth
from cluster.kept import ConflictList
from cluster.log import LogFormat, start_logging
from cluster.settings import Settings
from cluster.table import show_table
from replicator.peers.connection import first_of
from replicator.service import Service

Document = TypeVar("Document", bound=msgspec.Struct)


@click.group()
def main() -> None:
    """Put every file on every node."""


@main.command()
@config_option
@node_option
@log_format_option
def run(file: Path, node: str, log_format: LogFormat) -> None:
    """Run the replicator of one node until SIGTERM or SIGINT."""
    settings = hosted_settings_or_exit(file, node)
    if settings.replication.mode == "none":
        give_up("replication.mode is none: this cluster has no replicators")
    start_logging(log_format, part="replicator")
    trouble: BaseException | None = None
    try:
        asyncio.run(_serve(settings, node))
    except* (OSError, sqlite3.Error) as group:
        trouble = first_of(group)
    if trouble is not None:
        give_up(str(trouble))


@main.command()
@config_option
@node_option
@json_option
def status(file: Path, node: str, *, as_json: bool) -> None:
    """Ask a node's replicator how it is."""
    health = _ask(file, node, "health", ReplicatorHealth)
    if as_json:
        click.echo(msgspec.json.encode(health))
        return
    watching = "NOT WATCHING" if not health.watching else "PARTLY BLIND" if health.why_blind else "watching"
    known = f"{health.files} paths, {health.wanted_files} wanted, {health.conflicts} conflicts"
    click.echo(f"{health.node}: {health.state.value}, {known}, {watching}")
    rows = [
        (
            peer.peer,
            "yes" if peer.connected else "no",
            "yes" if peer.in_sync else "no",
            str(peer.backlog_files),
            str(peer.backlog_bytes),
        )
        for peer in health.peers
    ]
    show_table(("peer", "connected", "in sync", "backlog files", "backlog bytes"), rows)
    click.echo(f"read again for bit-rot: {_scrubbed(health.scrub)}")
    for notice in health.notices:
        click.echo(f"! {notice}")


@main.command()
@config_option
@node_option
@json_option
def conflicts(file: Path, node: str, *, as_json: bool) -> None:
    """List the content that lost on a path, and where it is kept."""
    listed = _ask(file, node, "conflicts", ConflictList)
    if as_json:
        click.echo(msgspec.json.encode(listed))
        return
    rows = [
        (conflict.path, conflict.node, conflict.winner, str(conflict.size_bytes), conflict.file or "on another node")
        for conflict in listed.conflicts
    ]
    show_table(("path", "lost from", "winner from", "bytes", "kept as"), rows)


def _scrubbed(scrub: ScrubHealth) -> str:
    now = "not under way" if scrub.percent is None else f"{scrub.percent:.0f} % of this round"
    last = "" if scrub.ended_s_ago is None else f", the last ended {scrub.ended_s_ago / 86_400:.1f} days ago"
    return f"{now}{last}; {scrub.found} found rotten since the start, {scrub.quarantined} not whole again yet"


async def _serve(settings: Settings, node: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    token = settings.cluster.management_token.read_text().strip()
    service = Service(settings, node, token)
    gc.collect()
    gc.freeze()  # an index of 200,000 files took the collector 60 ms each time that it looked through it
    await service.run(stop)


def _ask(file: Path, node: str, name: str, kind: type[Document]) -> Document:
    settings = node_settings_or_exit(file, node)
    try:
        token = "" if name == "health" else token_or_exit(settings)
        return get_document(settings.nodes[node].replicator_management, name, kind, token=token)
    except (UnreachableError, RefusedError) as error:
        give_up(f"the replicator of {node}: {error}")


if __name__ == "__main__":
    main()
