"""The `tripod` command loads what it is asked for, and nothing else."""

import subprocess
import sys

import click
from click.testing import CliRunner

from compose.command import main

HEAVY = ("rich", "cryptography", "aiohttp", "pyftpdlib", "paramiko", "numpy", "balancer", "stations", "compose.lab")


def test_every_command_is_where_the_group_looks_for_it_and_has_a_line_of_help() -> None:
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.get_short_help_str(), name
    assert len(main.list_commands(context)) == 24


def test_a_command_that_is_not_there_is_one_clear_line() -> None:
    done = CliRunner().invoke(main, ["reedy"])
    assert done.exit_code == 2
    assert "No such command 'reedy'" in done.output


def test_a_health_check_loads_nothing_that_it_does_not_need() -> None:
    """It runs every few seconds beside every program."""
    code = (
        "import sys; from compose.command import main; main.get_command(None, 'ready'); print(*sys.modules, sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "cluster.read_settings" in loaded
    assert not loaded.intersection(HEAVY)
