"""The `tripod` commands that take nodes out and back: drain, enable, upgrade."""

import threading
from pathlib import Path
from typing import Final

import click

from cluster.ask import TIMEOUT_S, RefusedError, UnreachableError, post_action
from cluster.clock import monotonic_s
from cluster.command import config_option, give_up, node_settings_or_exit, settings_or_exit, token_or_exit
from cluster.health import FtpnodeHealth
from compose.status import health
from compose.upgrade import BALANCER, RollingUpgrade, UpgradeFailedError
from compose.upgrade_ground import ManagedGround

_LOOK_EVERY_S: Final = 0.5
_PATIENCE_S: Final = 5.0


@click.command()
@click.argument("node")
@config_option
@click.option("--deadline", "deadline_s", type=click.FloatRange(0, 86400), help="Seconds for what is in progress.")
@click.option("--wait", is_flag=True, help="Return when it is empty; exit status 1 when it is not by the deadline.")
def drain(node: str, file: Path, deadline_s: float | None, *, wait: bool) -> None:
    """Empty NODE: no new sessions; the balancer moves idle sessions elsewhere at once, others after their transfer.

    After the deadline it moves what is in progress, too. It cannot move who is at the node itself.
    """
    found = _act(file, node, "drain", **({} if deadline_s is None else {"deadline_s": f"{deadline_s:g}"}))
    if wait:
        _wait_until_empty(file, node, found, deadline_s)


@click.command()
@click.argument("node")
@config_option
def enable(node: str, file: Path) -> None:
    """Let NODE take sessions again."""
    _act(file, node, "enable")


@click.command()
@config_option
@click.option(
    "--only", multiple=True, metavar="PART", help="A node's name or `balancer`; again for more. Default: all."
)
def upgrade(file: Path, only: tuple[str, ...]) -> None:
    """Restart all nodes one by one, then replace the balancer, without a client noticing.

    Each node is drained, restarted by `upgrade.node_command` and awaited until it is ready and in sync; the balancer
    starts its successor and hands over. It begins only where all is well, and stops at the first trouble.
    """
    settings = settings_or_exit(file)
    parts = [*settings.nodes, BALANCER]
    if unknown := [part for part in only if part not in parts]:
        give_up(f"there is no {unknown[0]!r}; known: {', '.join(parts)}")
    chosen = [part for part in parts if not only or part in only]
    nodes = [part for part in chosen if part != BALANCER]
    if nodes and settings.upgrade.node_command is None:
        give_up(f"{file}: upgrade.node_command says how the programs of a node are restarted: add it")
    rolling = RollingUpgrade(ManagedGround(settings, token_or_exit(settings)), settings.upgrade, click.echo)
    try:
        rolling.run(nodes, balancer=BALANCER in chosen)
    except UpgradeFailedError as error:
        give_up(str(error))


def _act(file: Path, node: str, action: str, **query: str) -> FtpnodeHealth:
    settings = node_settings_or_exit(file, node)
    try:
        address, token = settings.nodes[node].management, token_or_exit(settings)
        found = post_action(address, action, FtpnodeHealth, token=token, timeout_s=TIMEOUT_S, **query)
    except (UnreachableError, RefusedError) as error:
        give_up(str(error))
    click.echo(f"{node} is {found.state}, {found.sessions} sessions, {found.transfers} transfers")
    return found


def _wait_until_empty(file: Path, node: str, found: FtpnodeHealth | None, deadline_s: float | None) -> None:
    address = settings_or_exit(file).nodes[node].management
    until_s = None if deadline_s is None else monotonic_s() + deadline_s + _PATIENCE_S
    pause = threading.Event()  # nobody sets it
    while found is None or found.sessions:
        if until_s is not None and monotonic_s() > until_s:
            left = "it does not answer" if found is None else f"{found.sessions} sessions remain"
            give_up(f"{node}: {left}; `tripod sessions` lists them, `tripod kick` ends them")
        pause.wait(_LOOK_EVERY_S)
        found = health(address, FtpnodeHealth)
    click.echo(f"{node} is empty")
