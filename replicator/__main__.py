"""The command `replicator`: runs one, asks one how it is, lists the conflicts it knows."""

import asyncio
import signal
import sqlite3
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn, TypeVar

import click
import msgspec
from rich.console import Console
from rich.table import Table

from cluster.health import ReplicatorHealth
from cluster.log import LogFormat, start_logging
from cluster.problem import ConfigError, Problem
from cluster.read_settings import read_settings
from cluster.settings import Settings
from cluster.settings_rules import missing_files, node_files
from replicator.connection import first_of
from replicator.report import ConflictList
from replicator.service import Service

_TIMEOUT_S: Final = 5.0
_Document = TypeVar("_Document")

_config = click.option("--config", "config", type=click.Path(path_type=Path), required=True, help="The cluster.yaml.")
_node = click.option("--node", required=True, help="The node, as cluster.yaml names it.")
_json = click.option("--json", "as_json", is_flag=True, help="Print the document itself.")


@click.group()
def main() -> None:
    """Put every file on every node."""


@main.command()
@_config
@_node
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def run(config: Path, node: str, log_format: LogFormat) -> None:
    """Run the replicator of one node until SIGTERM or SIGINT."""
    settings = _settings(config, node)
    if settings.replication.mode == "none":
        _fail("replication.mode is none: this cluster has no replicators")
    problems = missing_files(node_files(settings, node))
    if problems:
        _fail(*(str(problem) for problem in problems))
    start_logging(log_format, part="replicator")
    trouble: BaseException | None = None
    try:
        asyncio.run(_serve(settings, node))
    except* (OSError, sqlite3.Error) as group:
        trouble = first_of(group)
    if trouble is not None:
        _fail(str(trouble))


@main.command()
@_config
@_node
@_json
def status(config: Path, node: str, as_json: bool) -> None:  # noqa: FBT001 - click gives it
    """Ask a node's replicator how it is."""
    raw, health = _ask(_settings(config, node), node, "health", ReplicatorHealth)
    if as_json:
        click.echo(raw)
        return
    click.echo(f"{health.node}: {health.state.value}, {health.files} paths, {health.wanted_files} wanted, "
               f"{health.conflicts} conflicts, {'watching' if health.watching else 'NOT WATCHING'}")  # fmt: skip
    rows = [
        (peer.peer, _yes(peer.connected), _yes(peer.in_sync), str(peer.backlog_files), str(peer.backlog_bytes))
        for peer in health.peers
    ]
    _show(("peer", "connected", "in sync", "backlog files", "backlog bytes"), rows)
    for notice in health.notices:
        click.echo(f"! {notice}")


@main.command()
@_config
@_node
@_json
def conflicts(config: Path, node: str, as_json: bool) -> None:  # noqa: FBT001 - click gives it
    """List the content that lost on a path, and where it is kept."""
    raw, listed = _ask(_settings(config, node), node, "conflicts", ConflictList)
    if as_json:
        click.echo(raw)
        return
    rows = [
        (conflict.path, conflict.node, conflict.winner, str(conflict.size_bytes), conflict.file or "on another node")
        for conflict in listed.conflicts
    ]
    _show(("path", "lost from", "winner from", "bytes", "kept as"), rows)


async def _serve(settings: Settings, node: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    token = settings.cluster.management_token.read_text().strip()
    await Service(settings, node, token).run(stop)


def _settings(config: Path, node: str) -> Settings:
    try:
        settings = read_settings(config)
    except ConfigError as error:
        _fail(*(str(problem) for problem in error.problems))
    if node not in settings.nodes:
        _fail(str(Problem("--node", f"there is no node {node!r}", f"use one of: {', '.join(settings.nodes)}")))
    return settings


def _ask(settings: Settings, node: str, name: str, kind: type[_Document]) -> tuple[str, _Document]:
    mine = settings.nodes[node]
    url = f"http://{mine.replicator_host}:{mine.replicator_management_port}/{name}"
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            raw = answer.read()
        return raw.decode(), msgspec.json.decode(raw, type=kind)
    except (OSError, msgspec.MsgspecError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        _fail(f"the replicator of {node} at {url} does not answer: {reason}")


def _show(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    if not sys.stdout.isatty():
        for row in (titles, *rows):
            click.echo("\t".join(row))
        return
    table = Table(*titles)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _yes(value: bool) -> str:  # noqa: FBT001 - a word for a value
    return "yes" if value else "no"


def _fail(*lines: str) -> NoReturn:
    for line in lines:
        click.echo(f"replicator: {line}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
