"""The command `balancer`: runs one, or asks a running one how it is."""

import asyncio
from pathlib import Path

import click
import msgspec

from balancer.handover.successor import successor_command
from balancer.handover.taking import NotGivenError
from balancer.program import Program
from balancer.status import show
from cluster.ask import RefusedError, UnreachableError, get_document
from cluster.command import config_option, give_up, json_option, log_format_option, settings_or_exit
from cluster.health import BalancerHealth
from cluster.log import LogFormat, start_logging
from cluster.problem import ConfigError
from cluster.settings import Settings


@click.group()
def main() -> None:
    """One address for all: balance FTP sessions over the nodes."""


@main.command()
@config_option
@log_format_option
@click.option("--take-over", is_flag=True, help="In the place of the balancer that runs here, where one does.")
def run(file: Path, log_format: LogFormat, *, take_over: bool) -> None:
    """Run the balancer until SIGTERM or SIGINT."""
    settings = settings_or_exit(file)
    start_logging(log_format, part="balancer")
    try:
        asyncio.run(_serve(settings, file, log_format, take_over=take_over))
    except ConfigError as error:
        give_up(*(str(problem) for problem in error.problems))
    except NotGivenError as error:
        give_up(str(error))
    except OSError as error:
        give_up(f"cannot listen: {error.strerror}")


async def _serve(settings: Settings, file: Path, log_format: LogFormat, *, take_over: bool) -> None:
    program = Program(settings, successor_command(file, log_format), log_format)
    await program.run(file, take_over=take_over)


@main.command()
@config_option
@json_option
def status(file: Path, *, as_json: bool) -> None:
    """Show how the running balancer and its nodes are."""
    try:
        health = get_document(settings_or_exit(file).balancer.management, "health", BalancerHealth)
    except (UnreachableError, RefusedError) as error:
        give_up(str(error))
    if as_json:
        click.echo(msgspec.json.encode(health))
    else:
        show(health)


if __name__ == "__main__":
    main()
