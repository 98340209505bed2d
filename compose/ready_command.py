"""`tripod ready`, the health check of containers: it runs every few seconds, so it loads little."""

import sys
from pathlib import Path

import click

from cluster.ask import RefusedError, UnreachableError, get_document
from cluster.command import config_option, give_up, settings_or_exit
from cluster.health import BalancerHealth, FtpnodeHealth, NodeState, ReplicatorHealth


@click.command()
@click.argument("part")
@config_option
def ready(part: str, file: Path) -> None:
    """Exit with 0 when PART is ready, for health checks: NODE (its ftpnode), NODE.replicator, or `balancer`."""
    settings = settings_or_exit(file)
    node, _, program = part.partition(".")
    try:
        if part == "balancer":
            state = get_document(settings.balancer.management, "health", BalancerHealth).state
        elif program == "replicator":
            address = settings.nodes[node].replicator_management
            state = get_document(address, "health", ReplicatorHealth).state
        else:
            address = settings.nodes[node].management
            state = get_document(address, "health", FtpnodeHealth).state
    except KeyError:
        give_up(f"there is no node {node!r}; known: {', '.join(settings.nodes)}")
    except (UnreachableError, RefusedError) as error:
        give_up(str(error))
    click.echo(f"{part} is {state}")
    sys.exit(0 if state is NodeState.READY else 1)
