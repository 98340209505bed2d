"""The `tripod` commands about content that no path shows any more: kept versions, and what lost in conflicts."""

import datetime
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click
import msgspec

from cluster.ask import RefusedError, UnreachableError, post_action
from cluster.command import config_option, give_up, json_option, settings_or_exit, token_or_exit
from cluster.held import Decided
from cluster.kept import ConflictList, KeptVersion, KeptVersions, ListedConflict, Restored
from cluster.settings import Settings
from cluster.table import show_table
from compose.quantities import shown_bytes
from compose.replicator_answers import from_replicators
from compose.show import moment

_PATIENCE_S: Final = 600.0
"""A large file is copied, hashed and sent to the peers."""


@click.command()
@click.argument("path")
@config_option
@json_option
def versions(path: str, file: Path, *, as_json: bool) -> None:
    """List the versions of PATH that are kept after they were replaced or deleted, and on which nodes."""
    settings = settings_or_exit(file)
    found, silent = from_replicators(settings, "versions", KeptVersions, path=path.strip("/"))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)))
    else:
        rows = [
            (one.content_id[:12], moment(one.made_ns), moment(one.gone_ns), "deleted" if one.deleted else "replaced",
             shown_bytes(one.size_bytes), ", ".join(nodes))
            for one, nodes in _merged(found)
        ]  # fmt: skip
        show_table(("id", "written", "until", "then", "size", "kept on"), rows)
    _end(silent)


@click.command()
@click.argument("path")
@click.option("--at", "at_time", help="The version that PATH showed then: 2026-01-31T14:00, in UTC.")
@click.option("--id", "content", help="The version of that id, or the beginning of it.")
@click.option("--as", "target", help="Give it this name instead of its own.")
@config_option
def restore(path: str, at_time: str | None, content: str | None, target: str | None, file: Path) -> None:
    """Bring a kept version of PATH back, by default the last one, as a new version on every node.

    What PATH shows now is kept as a version in its turn.
    """
    settings, path = settings_or_exit(file), path.strip("/")
    found, silent = from_replicators(settings, "versions", KeptVersions, path=path)
    kept = _merged(found)
    if content is not None:
        kept = [(one, nodes) for one, nodes in kept if one.content_id.startswith(content.lower())]
    if at_time is not None:
        at_ns = _nanoseconds(at_time)
        kept = [(one, nodes) for one, nodes in kept if one.made_ns <= at_ns < one.gone_ns]
    if len({one.content_id for one, _ in kept}) > 1 and content is not None:
        give_up(f"several versions of {path} begin with {content}; write more of the id")
    if not kept:
        give_up(*_lines(silent), f"no such version of {path} is kept; `tripod versions {path}` lists those that are")
    wanted, nodes = kept[0]
    name = (target or path).strip("/")
    _restore(settings, nodes, "restore-version", {"path": path, "id": wanted.content_id, "as": name})


@click.group(invoke_without_command=True)
@config_option
@json_option
@click.pass_context
def conflicts(context: click.Context, file: Path, *, as_json: bool) -> None:
    """List the content that lost on a path against a concurrent version, and where it is kept."""
    if context.invoked_subcommand is None:
        _list(file, as_json=as_json)


@conflicts.command(name="list")
@config_option
@json_option
def list_(file: Path, *, as_json: bool) -> None:
    """List them."""
    _list(file, as_json=as_json)


@conflicts.command(name="restore")
@click.argument("conflict")
@click.option("--as", "target", help="Give it this name; else it becomes the newest version where it lost.")
@config_option
def restore_conflict(conflict: str, target: str | None, file: Path) -> None:
    """Publish the losing content of CONFLICT (its id) as a new version, and list the conflict no more."""
    settings = settings_or_exit(file)
    found, silent = from_replicators(settings, "conflicts", ConflictList)
    nodes = [node for node, one in found.items() if any(lost.id == conflict and lost.file for lost in one.conflicts)]
    if not nodes:
        give_up(*_lines(silent), f"no node that answers keeps a conflict {conflict!r}; `tripod conflicts` lists them")
    _restore(settings, nodes, "restore-conflict", {"id": conflict} | ({"as": target.strip("/")} if target else {}))
    _discard(settings, conflict)


@conflicts.command()
@click.argument("conflict")
@config_option
def discard(conflict: str, file: Path) -> None:
    """Give up the losing content of CONFLICT (its id), on every node.

    A node that does not answer keeps it: exit status 1, and the command can be repeated.
    """
    if not _discard(settings_or_exit(file), conflict):
        give_up(f"no node lists a conflict {conflict!r}; `tripod conflicts` lists them")


def _list(file: Path, *, as_json: bool) -> None:
    found, silent = from_replicators(settings_or_exit(file), "conflicts", ConflictList)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)))
    else:
        by_id: dict[str, tuple[ListedConflict, list[str]]] = {}
        for node, listed in found.items():
            for one in listed.conflicts:
                by_id.setdefault(one.id, (one, []))[1].extend([node] if one.file else [])
        rows = [
            (
                one.id,
                one.path,
                one.node,
                moment(one.stamp_ns),
                one.winner,
                shown_bytes(one.size_bytes),
                ", ".join(nodes),
            )
            for one, nodes in by_id.values()
        ]
        show_table(("id", "path", "lost from", "written", "winner from", "size", "kept on"), rows)
    _end(silent)


def _restore(settings: Settings, nodes: list[str], action: str, query: Mapping[str, str]) -> None:
    """Have the first of these nodes do it that can."""
    token, refusals = token_or_exit(settings), []
    for node in nodes:
        address = settings.nodes[node].replicator_management
        try:
            done = post_action(address, action, Restored, token=token, timeout_s=_PATIENCE_S, **query)
        except (UnreachableError, RefusedError) as error:
            refusals.append(f"{node}: {error}")
            continue
        click.echo(f"{done.path} is {done.content_id[:12]} now, on {done.copies} of {done.wanted} copies wanted")
        return
    give_up(*refusals)


def _discard(settings: Settings, conflict: str) -> bool:
    token, silent, count = token_or_exit(settings), {}, 0
    for node, described in settings.nodes.items():
        try:
            asked = post_action(described.replicator_management, "discard-conflict", Decided, token=token, id=conflict)
        except (UnreachableError, RefusedError) as error:
            silent[node] = str(error)
        else:
            count += asked.count
            if asked.count:
                click.echo(f"{node}: the conflict is listed no more")
    if silent:
        give_up(*_lines(silent))
    return count > 0


def _merged(found: Mapping[str, KeptVersions]) -> list[tuple[KeptVersion, list[str]]]:
    """Each version with the nodes that keep it, the last one first."""
    by_content: dict[str, tuple[KeptVersion, list[str]]] = {}
    for node, kept in found.items():
        for one in kept.versions:
            by_content.setdefault(one.content_id, (one, []))[1].append(node)
    return sorted(by_content.values(), key=lambda entry: entry[0].gone_ns, reverse=True)


def _nanoseconds(text: str) -> int:
    try:
        moment_ = datetime.datetime.fromisoformat(text)
    except ValueError:
        give_up(f"--at {text!r} is no moment; write 2026-01-31T14:00 (UTC), or with an offset")
    if moment_.tzinfo is None:
        moment_ = moment_.replace(tzinfo=datetime.UTC)
    return int(moment_.timestamp() * 1e9)


def _lines(silent: Mapping[str, str]) -> list[str]:
    return [f"{node}: {why}" for node, why in silent.items()]


def _end(silent: Mapping[str, str]) -> None:
    if silent:
        give_up(*_lines(silent))
    sys.exit(0)
