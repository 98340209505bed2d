"""The command `ftpnode`: one node's FTP server in the foreground, until SIGTERM or Ctrl-C."""

import logging
import resource
import signal
from pathlib import Path

import click

from cluster.log import LogFormat, start_logging
from cluster.problem import ConfigError, Problem
from cluster.read_settings import read_settings
from cluster.settings import Settings
from cluster.settings_rules import missing_files, node_files
from ftpnode.server import Server


@click.command()
@click.option(
    "--config", type=click.Path(path_type=Path), default=Path("cluster.yaml"), show_default=True, help="The settings."
)
@click.option("--node", required=True, help="Which node of the settings this is.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def main(config: Path, node: str, log_format: LogFormat) -> None:
    """Take files in: FTP and FTPS for the sites of one node."""
    start_logging(log_format, part="ftpnode")
    logging.getLogger("pyftpdlib").setLevel(logging.WARNING)
    try:
        settings = _settings(config, node)
        _raise_file_limit()
        server = Server(settings, node)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(f"ftpnode: {problem}", err=True)
        raise SystemExit(1) from None
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    try:
        server.run()
    finally:
        server.close()


def _settings(config: Path, node: str) -> Settings:
    settings = read_settings(config)
    if node not in settings.nodes:
        problem = Problem(f"{config}: nodes", f"there is no node {node!r}", f"use one of: {', '.join(settings.nodes)}")
        raise ConfigError((problem,))
    problems = missing_files(node_files(settings, node))
    if problems:
        raise ConfigError(problems)
    return settings


def _raise_file_limit() -> None:
    """Every session and transfer takes file descriptors: use all that the host allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
