"""`tripod status`: the whole cluster in a table."""

import sys
from pathlib import Path

import click
import msgspec
from rich.console import Console

from balancer.choices import MadeChoices
from cluster.ask import RefusedError, UnreachableError, get_document
from cluster.command import config_option, give_up, json_option, settings_or_exit, token_or_exit
from cluster.settings import Settings
from compose.show import show_choices, show_status
from compose.status import ClusterStatus, cluster_status


@click.command()
@config_option
@json_option
@click.option("--why", is_flag=True, help="Show which nodes the last sessions got, and why.")
def status(file: Path, *, as_json: bool, why: bool) -> None:
    """Show the balancer, every node, its replicator and what each is owed."""
    settings = settings_or_exit(file)
    if why:
        _show_choices(settings, as_json=as_json)
        return
    found = cluster_status(settings)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)))
    else:
        show_status(Console(), found)
    sys.exit(0 if _all_answer(found) else 1)


def _show_choices(settings: Settings, *, as_json: bool) -> None:
    try:
        made = get_document(settings.balancer.management, "choices", MadeChoices, token=token_or_exit(settings))
    except (UnreachableError, RefusedError) as error:
        give_up(f"the balancer: {error}")
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(made)))
    else:
        show_choices(Console(), made)


def _all_answer(found: ClusterStatus) -> bool:
    return found.balancer is not None and all(node is not None for node in found.nodes.values())
