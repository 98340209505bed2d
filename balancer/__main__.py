"""The command `balancer`."""

import asyncio
from pathlib import Path

import click
import msgspec

from balancer.program import Program
from balancer.status import NoAnswerError, ask_balancer, show
from cluster.log import LogFormat, start_logging
from cluster.problem import ConfigError
from cluster.read_settings import read_settings
from cluster.settings import Settings

_CONFIG = click.option(
    "--config", "config", required=True, type=click.Path(path_type=Path), help="The cluster.yaml of the cluster."
)


@click.group()
def main() -> None:
    """One address for all: balance FTP sessions over the nodes."""


@main.command()
@_CONFIG
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def run(config: Path, log_format: LogFormat) -> None:
    """Run the balancer until SIGTERM or SIGINT."""
    settings = _settings(config)
    start_logging(log_format, part="balancer")
    try:
        asyncio.run(Program(settings).run())
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"cannot listen: {error.strerror}") from error


@main.command()
@_CONFIG
@click.option("--json", "as_json", is_flag=True, help="Print the health document as JSON.")
def status(config: Path, *, as_json: bool) -> None:
    """Show how the running balancer and its nodes are."""
    try:
        health = ask_balancer(_settings(config).balancer)
    except NoAnswerError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(msgspec.json.encode(health))
    else:
        show(health)


def _settings(config: Path) -> Settings:
    try:
        return read_settings(config)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
