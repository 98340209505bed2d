"""The `tripod` commands about deletions that a replicator holds back: list them, let them go, bring the files back."""

from pathlib import Path
from typing import Final

import click
import msgspec

from cluster.ask import RefusedError, UnreachableError, get_document, post_action
from cluster.command import config_option, give_up, json_option, node_settings_or_exit, token_or_exit
from cluster.held import Decided, HeldList
from cluster.table import show_table
from compose.show import moment

_PATIENCE_S: Final = 600.0
"""Deciding on a million deletions takes its time."""


@click.command()
@click.argument("node")
@click.option("--restore", is_flag=True, help="Do not let them go: bring the files back, on every node.")
@click.option("--list", "listing", is_flag=True, help="Only list them.")
@config_option
@json_option
def approve(node: str, file: Path, *, restore: bool, listing: bool, as_json: bool) -> None:
    """Let the deletions go that NODE holds back because they came in a flood; or take them back.

    The other nodes are told first, so that they do not hold back what was approved here.
    """
    settings = node_settings_or_exit(file, node)
    token = token_or_exit(settings)
    address = settings.nodes[node].replicator_management
    try:
        held = get_document(address, "held-deletes", HeldList, token=token)
        if listing:
            _show(held, as_json=as_json)
            return
        untold = []
        if held.found and not restore:
            for other in settings.nodes.keys() - {node}:
                there = settings.nodes[other].replicator_management
                try:
                    post_action(there, "expect-deletes", Decided, token=token, count=str(held.found))
                except (UnreachableError, RefusedError) as error:
                    untold.append(f"{other} may hold them back again: {error}")
        action = "restore-deleted" if restore else "approve"
        decided = post_action(address, action, Decided, token=token, timeout_s=_PATIENCE_S)
    except (UnreachableError, RefusedError) as error:
        give_up(f"the replicator of {node}: {error}")
    if as_json:
        click.echo(msgspec.json.encode(decided))
    else:
        click.echo(f"{node}: {decided.count} deletions {'are taken back' if restore else 'go'}")
    for line in untold:
        click.echo(line, err=True)


def _show(held: HeldList, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(held)))
        return
    rows = [(one.path, one.peer or "found on its disk", moment(one.at_ns)) for one in held.deletes]
    show_table(("path", "deleted by", "held since"), rows)
    if held.count > len(held.deletes):
        click.echo(f"and {held.count - len(held.deletes)} more")
