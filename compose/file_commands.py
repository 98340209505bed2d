"""The `tripod` commands about a cluster's file: write one, look for mistakes, make a password's hash."""

import sys
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console

from cluster.clock import utc_now
from cluster.command import give_up
from cluster.durable_file import PRIVATE_MODE, write_durably
from cluster.password import hash_password
from cluster.read_settings import examine_settings
from cluster.settings import Settings
from cluster.settings_rules import balancer_files, missing_files, node_files
from compose.new_cluster import network_plan, write_cluster
from compose.show import show_passwords


@click.command()
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


@click.command()
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


@click.command()
@click.password_option(help="The password; asked for when not given.")
def password(password: str) -> None:
    """Print the argon2id hash of a password, for cluster.yaml."""
    click.echo(hash_password(password))


def _host_files(settings: Settings, host: str) -> dict[str, Path]:
    if host == "balancer":
        return balancer_files(settings)
    if host not in settings.nodes:
        give_up(f"there is no node {host!r}; known: {', '.join(settings.nodes)}, balancer")
    return node_files(settings, host)
