"""What the commands of all parts share: their options, and mistakes said in one line each with exit status 1."""

import sys
from pathlib import Path
from typing import NoReturn

import click

from cluster.problem import ConfigError, Problem
from cluster.read_settings import read_settings
from cluster.settings import Settings
from cluster.settings_rules import missing_files, node_files

config_option = click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    default=Path("cluster.yaml"),
    envvar="TRIPOD_CONFIG",
    show_default=True,
    help="The cluster's file.",
)
node_option = click.option("--node", required=True, help="The node, as the cluster's file names it.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
log_format_option = click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Of the log lines."
)


def give_up(*lines: str) -> NoReturn:
    """Say why on standard error, each line after the command's name, and exit with status 1."""
    name = (click.get_current_context().find_root().info_name or "").split()[-1]  # "python -m balancer" is balancer
    for line in lines:
        click.echo(f"{name}: {line}", err=True)
    sys.exit(1)


def settings_or_exit(file: Path) -> Settings:
    """The settings in `file`, or every mistake on a line and exit status 1."""
    try:
        return read_settings(file)
    except ConfigError as error:
        give_up(*(str(problem) for problem in error.problems))


def node_settings_or_exit(file: Path, node: str) -> Settings:
    """As `settings_or_exit`, for a command about one node: that must be in the file."""
    settings = settings_or_exit(file)
    if node not in settings.nodes:
        known = ", ".join(settings.nodes)
        give_up(str(Problem(f"{file}: nodes", f"there is no node {node!r}", f"use one of: {known}")))
    return settings


def hosted_settings_or_exit(file: Path, node: str) -> Settings:
    """As `node_settings_or_exit`, for a program of that node: its keys must be on this host too."""
    settings = node_settings_or_exit(file, node)
    if problems := missing_files(node_files(settings, node)):
        give_up(*(str(problem) for problem in problems))
    return settings


def token_or_exit(settings: Settings) -> str:
    """The management token, which every document but the health needs; one line and exit status 1 without it."""
    try:
        return settings.cluster.management_token.read_text(encoding="latin-1").strip()
    except OSError as error:
        give_up(f"{error.filename}: {error.strerror}; it is needed to ask a node or to command it")
