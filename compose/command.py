"""The `tripod` command: look after a cluster's file, its nodes, and the lab."""

import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import click
import msgspec
from rich.console import Console

from balancer.choices import MadeChoices
from cluster.ask import RefusedError, UnreachableError, get_document
from cluster.clock import utc_now
from cluster.command import (
    config_option,
    give_up,
    json_option,
    settings_or_exit,
    token_or_exit,
)
from cluster.durable_file import PRIVATE_MODE, write_durably
from cluster.health import BalancerHealth, FtpnodeHealth, NodeState, ReplicatorHealth
from cluster.password import hash_password
from cluster.read_settings import examine_settings
from cluster.settings import Settings
from cluster.settings_rules import balancer_files, missing_files, node_files
from compose.approval_commands import APPROVAL_COMMANDS
from compose.lab.process import PartFailedError
from compose.lab.run import Lab, LabOptions
from compose.lab.view import view_for
from compose.new_cluster import network_plan, write_cluster
from compose.node_commands import NODE_COMMANDS
from compose.recovery_commands import RECOVERY_COMMANDS
from compose.replication_commands import REPLICATION_COMMANDS
from compose.report_command import report
from compose.show import show_choices, show_passwords, show_report, show_status
from compose.status import ClusterStatus, cluster_status
from compose.upgrade_commands import UPGRADE_COMMANDS


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tripod-ftp")
def main() -> None:
    """Look after a Tripod cluster."""


for _command in (
    *NODE_COMMANDS, *REPLICATION_COMMANDS, report, *UPGRADE_COMMANDS, *APPROVAL_COMMANDS, *RECOVERY_COMMANDS,
):  # fmt: skip
    main.add_command(_command)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--host", help="Look too for the files that this host needs: a node's name, or `balancer`.")
def check(file: Path, host: str | None) -> None:
    """Say every mistake in FILE, with its place and the fix; exit status 1 when there is one."""
    settings, problems = examine_settings(file)
    if settings is not None and host is not None:
        problems += missing_files(_host_files(settings, host))
    for problem in problems:
        click.echo(str(problem), err=True)
    if problems:
        click.echo(f"{len(problems)} mistake{'s' if len(problems) > 1 else ''}", err=True)
        sys.exit(1)
    assert settings is not None, "no problems, so settings"
    click.echo(f"{file} is good: {len(settings.nodes)} nodes, {len(settings.accounts)} accounts")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--nodes", type=click.IntRange(1, 100), default=2, show_default=True)
@click.option("--name", default="tripod", show_default=True, help="The cluster's name.")
@click.option(
    "--network", default="127.0.0", show_default=True, help="The VIP will be .10 of it, the nodes .11 and up."
)
@click.option("--data", default="", metavar="DIR/", help="Where the nodes' roots and states will be.")
@click.option(
    "--advertise", nargs=2, multiple=True, metavar="CLIENTS ADDRESS", help="What PASV tells clients behind NAT."
)
@click.option("--replicators-apart", is_flag=True, help="Give the replicators addresses of their own, .111 and up.")
@click.option(
    "--passive", nargs=2, type=int, default=(22000, 22999), show_default=True, help="The VIP's passive ports."
)
@click.option("--passwords", "password_file", type=click.Path(path_type=Path), help="Write them here too (mode 0600).")
def init(
    folder: Path, nodes: int, name: str, network: str, data: str, password_file: Path | None, **given: Any
) -> None:
    """Write a working cluster.yaml, a CA, certificates, keys and new passwords into FOLDER.

    By default the addresses are loopback ones, so that everything can be tried at once on this host.
    """
    plan = msgspec.structs.replace(
        network_plan(name, nodes, network=network, folder=data, replicators_apart=given["replicators_apart"]),
        advertise=dict(given["advertise"]),
        vip_passive=given["passive"],
    )
    try:
        passwords = write_cluster(folder, plan, utc_now())
        if password_file is not None:
            write_durably(password_file, msgspec.json.encode(passwords), PRIVATE_MODE)
    except OSError as error:
        give_up(f"{error.filename or folder}: {error.strerror}; choose another folder")
    show_passwords(Console(), folder / "cluster.yaml", passwords)


@main.command()
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


@main.command()
@click.password_option(help="The password; asked for when not given.")
def password(password: str) -> None:
    """Print the argon2id hash of a password, for cluster.yaml."""
    click.echo(hash_password(password))


@main.command()
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


@main.command()
@click.option("--nodes", type=click.IntRange(1, 20), default=2, show_default=True)
@click.option("--stations", type=click.IntRange(0, 200), default=40, show_default=True)
@click.option("--seconds", type=click.FloatRange(min=1), default=60.0, show_default=True)
@click.option(
    "--hour-seconds", type=click.FloatRange(min=1), default=10.0, show_default=True, help="Length of an hour."
)
@click.option("--chaos", is_flag=True, help="Kill (SIGKILL) and restart one part after another.")
@click.option("--upgrade", is_flag=True, help="Restart all nodes one by one and replace the balancer meanwhile.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--network", default="127.0.0", show_default=True, help="The VIP will be .10 of it, the nodes .11 and up."
)
@click.option("--report", "report_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the report here.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep all files in this (new) folder.")
@click.option("--real-files", type=click.Path(path_type=Path, file_okay=False), help="Send these station files too.")
def lab(report_file: Path | None, keep: Path | None, **given: Any) -> None:
    """Run a whole cluster and its clients on loopback addresses, and judge what was promised and what was kept."""
    options = LabOptions(**given, corpus=_cache_folder() / "corpus")
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    console = Console()
    with tempfile.TemporaryDirectory(prefix="tripod-lab-") as temporary:
        folder = (keep or Path(temporary) / "lab").resolve()
        try:
            running = Lab(options, folder, stop)
            with view_for(console) as view:
                report = running.run(view)
        except PartFailedError as error:
            give_up(str(error))
        except OSError as error:
            give_up(f"{error.filename or folder}: {error.strerror}")
        if report_file is not None:
            write_durably(report_file, msgspec.json.format(msgspec.json.encode(report)))
    show_report(console, report)
    sys.exit(0 if report.good else 1)


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tripod"


def _host_files(settings: Settings, host: str) -> dict[str, Path]:
    if host == "balancer":
        return balancer_files(settings)
    if host not in settings.nodes:
        give_up(f"there is no node {host!r}; known: {', '.join(settings.nodes)}, balancer")
    return node_files(settings, host)


def _all_answer(found: ClusterStatus) -> bool:
    return found.balancer is not None and all(node is not None for node in found.nodes.values())
