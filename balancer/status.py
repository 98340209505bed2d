"""Shows how a running balancer and its nodes are."""

import click

from cluster.health import BalancerHealth
from cluster.table import show_table


def show(health: BalancerHealth) -> None:
    """The nodes as a table, then the balancer's own figures in a line."""
    titles = ("node", "state", "usable", "sessions", "transfers", "why")
    show_table(
        titles,
        [
            (
                node.node,
                node.state.value,
                "yes" if node.usable else "no",
                str(node.sessions),
                str(node.transfers),
                node.why,
            )
            for node in health.nodes
        ],
    )
    click.echo(
        f"{health.state.value}: {health.sessions} sessions, {health.transfers} transfers, "
        f"{health.leases_free} passive ports free, {health.spool_bytes} bytes in the spool; "
        f"{health.moved_sessions} sessions moved, {health.repeated_uploads} uploads repeated, "
        f"{health.continued_downloads} downloads continued"
    )
