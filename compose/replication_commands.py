"""The `tripod` commands that look into the replication: what is owed, the story of a path, what travels badly."""

import sys
from collections.abc import Mapping
from pathlib import Path

import click
import msgspec
from rich.console import Console

from cluster.backlog import Backlog
from cluster.command import config_option, give_up, json_option, settings_or_exit
from cluster.explained import Explained
from cluster.oddities import Oddities, printable
from cluster.settings import Settings
from cluster.table import show_table
from cluster.tree_path import complaint
from compose.path_story import story
from compose.quantities import shown_bytes, shown_seconds
from compose.replicator_answers import from_replicators


@click.command()
@click.option("--paths", type=click.IntRange(0, 1000), default=0, help="Show the first so many paths of each pair.")
@config_option
@json_option
def backlog(paths: int, file: Path, *, as_json: bool) -> None:
    """Show what each node owes each other: changes and bytes that a peer has not yet said that it holds.

    `oldest` is the age of the oldest of these changes. Exit status 1 when a node does not answer.
    """
    found, silent = from_replicators(_replicated(file), "backlog", Backlog, paths=str(paths))
    if as_json:
        _print(found)
    else:
        rows = [
            (node, owed.peer, "yes" if owed.connected else "NO", str(owed.entries), shown_bytes(owed.size_bytes),
             shown_seconds(owed.oldest_s))
            for node, one in found.items() for owed in one.peers
        ]  # fmt: skip
        show_table(("from", "to", "connected", "entries", "size", "oldest"), rows)
        for node, one in found.items():
            for owed in one.peers:
                for path in owed.paths:
                    click.echo(f"{node} → {owed.peer}\t{path}")
    _end(silent)


@click.command()
@click.argument("path")
@config_option
@json_option
def explain(path: str, file: Path, *, as_json: bool) -> None:
    """Tell the story of PATH, a path in the cluster's tree such as Station/ABCD/file.rnx.

    Who wrote which version when, who holds it, why this one is shown, what lost and where it is kept, what waits.
    """
    path = path.strip("/")
    wrong = complaint(path)
    if wrong:
        give_up(f"{path!r} cannot be a path in the tree: {wrong}")
    found, silent = from_replicators(_replicated(file), "explain", Explained, path=path)
    if as_json:
        _print(found)
    elif found:
        console = Console(highlight=False)
        for line in story(path, found, tuple(silent)):
            console.print(line, markup=False, soft_wrap=True)
    _end(silent)


@click.command()
@config_option
@json_option
def oddities(file: Path, *, as_json: bool) -> None:
    """List what is in the roots and travels badly, or not at all.

    Links, devices and names that cannot be are replicated nowhere. Names that differ by letter case, Unicode form, or
    dots or spaces at their end alone are all kept, but are one name for Windows clients and copies.
    """
    found, silent = from_replicators(_replicated(file), "oddities", Oddities)
    if as_json:
        _print(found)
    else:
        rows = []
        for node, one in found.items():
            rows += [(node, entry.path, f"not replicated: {entry.why}") for entry in one.entries]
            for first, *others in one.namesakes:
                also = ", ".join(map(printable, others))
                rows.append((node, printable(first), f"one name on Windows with {also}"))
        show_table(("node", "path", "what"), rows)
    _end(silent)


def _replicated(file: Path) -> Settings:
    settings = settings_or_exit(file)
    if settings.replication.mode == "none":
        give_up("replication.mode is none: this cluster has no replicators")
    return settings


def _print(found: Mapping[str, msgspec.Struct]) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(found)))


def _end(silent: Mapping[str, str]) -> None:
    if silent:
        give_up(*(f"{node}: {why}" for node, why in silent.items()))
    sys.exit(0)
