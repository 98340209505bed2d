"""The `tripod` command: which commands there are, and the module of each; only the one that is wanted is loaded."""

import importlib
from collections.abc import Mapping
from typing import Final

import click
from typing_extensions import override

_MODULES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("check", "init", "password"), "file_commands"),
    "ready": "ready_command",
    "status": "status_command",
    "lab": "lab_command",
    "report": "report_command",
    **dict.fromkeys(("sessions", "quota", "kick", "bans", "lift", "reload", "certs"), "node_commands"),
    **dict.fromkeys(("backlog", "explain", "oddities"), "replication_commands"),
    **dict.fromkeys(("versions", "restore", "conflicts"), "recovery_commands"),
    **dict.fromkeys(("drain", "enable", "upgrade"), "upgrade_commands"),
    "approve": "approval_commands",
}


class _Commands(click.Group):
    """A group that loads a command when it is asked for."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_MODULES)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULES:
            return None
        found = getattr(importlib.import_module(f"compose.{_MODULES[cmd_name]}"), cmd_name)
        assert isinstance(found, click.Command), f"{cmd_name} is a command"
        return found


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tripod-ftp")
def main() -> None:
    """Look after a Tripod cluster."""
