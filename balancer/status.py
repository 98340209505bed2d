"""Asks a running balancer how it is, and shows it."""

import urllib.error
import urllib.request

import click
import msgspec
from rich.console import Console
from rich.table import Table

from balancer.program import document_of
from cluster.health import BalancerHealth
from cluster.settings import Balancer

_TIMEOUT_S = 5.0


class NoAnswerError(Exception):
    """The balancer does not answer, or not as a balancer does."""


def ask_balancer(balancer: Balancer) -> BalancerHealth:
    """The health document of the running balancer; NoAnswerError."""
    address, port = balancer.management
    host = f"[{address}]" if ":" in address else address
    url = f"http://{host}:{port}/health"
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:
            return document_of(response.read())
    except (OSError, msgspec.DecodeError) as error:
        why = error.reason if isinstance(error, urllib.error.URLError) else error
        message = f"the balancer does not answer at {url}: {why}"
        raise NoAnswerError(message) from error


def show(health: BalancerHealth) -> None:
    """A table on a terminal, plain lines elsewhere."""
    summary = (
        f"{health.state.value}: {health.sessions} sessions, {health.transfers} transfers, "
        f"{health.leases_free} passive ports free, {health.spool_bytes} bytes in the spool; "
        f"{health.moved_sessions} sessions moved, {health.repeated_uploads} uploads repeated, "
        f"{health.continued_downloads} downloads continued"
    )
    console = Console()
    if not console.is_terminal:
        click.echo(summary)
        for node in health.nodes:
            usable = "usable" if node.usable else "not usable"
            line = f"{node.node}: {node.state.value}, {usable}, {node.sessions} sessions, {node.transfers} transfers"
            click.echo(f"{line}, {node.why}" if node.why else line)
        return
    table = Table("node", "state", "usable", "sessions", "transfers", "why", title="balancer", caption=summary)
    for node in health.nodes:
        usable = "yes" if node.usable else "no"
        table.add_row(node.node, node.state.value, usable, str(node.sessions), str(node.transfers), node.why)
    console.print(table)
