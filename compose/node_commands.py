"""The `tripod` commands that look into the ftpnodes: live sessions, bans, reload; and at the certificates."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import click
import msgspec

from cluster.ask import TIMEOUT_S, RefusedError, UnreachableError, get_document, post_action
from cluster.clock import utc_now
from cluster.command import config_option, give_up, json_option, settings_or_exit, token_or_exit
from cluster.live import AccountUsage, AccountUsages, Affected, Bans, LiveSession, LiveSessions, Reloaded
from cluster.settings import Settings
from cluster.table import show_table
from compose.certificates import Certificate, CertificateState, certificates

Document = TypeVar("Document", bound=msgspec.Struct)


@click.command()
@config_option
@json_option
def sessions(file: Path, *, as_json: bool) -> None:
    """List the live sessions of all nodes: who, from where, what they do and how fast."""
    found, silent = _documents(settings_or_exit(file), "sessions", LiveSessions)
    rows = [(node, *_line(one)) for node, document in found.items() for one in document.sessions]
    titles = ("node", "id", "account", "client", "since", "command", "path", "up", "down", "rate")
    _show(found, titles, rows, as_json=as_json)
    _end(silent)


@click.command()
@config_option
@json_option
def quota(file: Path, *, as_json: bool) -> None:
    """Show what stands below every account's home, as each node counts it, and how much of its quota that is."""
    found, silent = _documents(settings_or_exit(file), "usage", AccountUsages)
    rows = [(node, *_usage_line(one)) for node, listed in found.items() for one in listed.accounts]
    titles = ("node", "account", "home", "bytes", "of", "entries", "of", "used")
    _show(found, titles, rows, as_json=as_json)
    _end(silent)


@click.command()
@click.argument("session")
@config_option
def kick(session: str, file: Path) -> None:
    """End the session of that id, on whichever node it is; its client reads 421."""
    _act(settings_or_exit(file), "kick", f"no node has a session {session!r}", id=session)


@click.command()
@config_option
@json_option
def bans(file: Path, *, as_json: bool) -> None:
    """List the client addresses that are banned for failed logins."""
    found, silent = _documents(settings_or_exit(file), "bans", Bans)
    rows = [(node, ban.address, f"{ban.seconds_left:.0f} s") for node, listed in found.items() for ban in listed.bans]
    _show(found, ("node", "client", "ends in"), rows, as_json=as_json)
    _end(silent)


@click.command()
@click.argument("address")
@config_option
def lift(address: str, file: Path) -> None:
    """Lift the ban of a client address, on every node."""
    _act(settings_or_exit(file), "lift", f"{address} is banned nowhere", address=address)


@click.command()
@click.argument("nodes", nargs=-1, metavar="[NODE]…")
@config_option
def reload(nodes: tuple[str, ...], file: Path) -> None:
    """Let the ftpnodes (all, or these) follow their cluster.yaml as it is now; a bad one is refused, with all mistakes.

    Accounts, limits and certificates change without dropping a session; ports, addresses and folders need a restart.
    """
    settings = settings_or_exit(file)
    token = token_or_exit(settings)
    refused = [f"there is no node {node!r}" for node in nodes if node not in settings.nodes]
    for node in [node for node in settings.nodes if node in nodes or not nodes]:
        try:
            reloaded = post_action(settings.nodes[node].management, "reload", Reloaded, token=token)
        except (UnreachableError, RefusedError) as error:
            refused += [f"{node}: {line}" for line in str(error).splitlines()]
        else:
            click.echo(f"{node}: reloaded, {', '.join(reloaded.changed) or 'nothing'} changed")
    _end(refused)


@click.command()
@config_option
@json_option
def certs(file: Path, *, as_json: bool) -> None:
    """Show every certificate the file names: whose, until when; exit status 1 when one has expired or is no use.

    Warns 30 days ahead. Certificates that are not on this host are said to be so.
    """
    found = certificates(settings_or_exit(file), utc_now())
    rows = [
        (one.where, one.subject, one.issuer, f"{one.ends:%Y-%m-%d}" if one.ends else "", _days(one), one.state)
        for one in found
    ]
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)))
    else:
        show_table(("for", "subject", "issuer", "until", "days left", "state"), rows)
    for one in found:
        if one.state is CertificateState.ENDS_SOON:
            then = "send the balancer SIGHUP" if one.where == "balancer" else "`tripod reload`"
            click.echo(f"{one.where}: {one.file} ends in {one.days_left} days; renew it, then {then}", err=True)
    good = {CertificateState.GOOD, CertificateState.ENDS_SOON, CertificateState.NOT_HERE}
    _end([f"{one.where}: {one.file} is {one.state}" for one in found if one.state not in good])


def _documents(settings: Settings, name: str, kind: type[Document]) -> tuple[dict[str, Document], list[str]]:
    """The document of every node that answers, and a sentence for every node that does not."""
    token = token_or_exit(settings)
    found: dict[str, Document] = {}
    silent = []
    for node, described in settings.nodes.items():
        try:
            found[node] = get_document(described.management, name, kind, token=token)
        except (UnreachableError, RefusedError) as error:
            silent.append(f"{node}: {error}")
    return found, silent


def _act(settings: Settings, action: str, nothing_found: str, **query: str) -> None:
    token = token_or_exit(settings)
    silent, count = [], 0
    for node, described in settings.nodes.items():
        try:
            asked = post_action(described.management, action, Affected, token=token, timeout_s=TIMEOUT_S, **query)
        except (UnreachableError, RefusedError) as error:
            silent.append(f"{node}: {error}")
            continue
        count += asked.count
        if asked.count:
            click.echo(f"{node}: done")
    if not count:
        give_up(*silent, nothing_found)
    _end(silent)


def _show(
    found: Mapping[str, msgspec.Struct], titles: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, as_json: bool
) -> None:
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)))
    else:
        show_table(titles, rows)


def _end(silent: list[str]) -> None:
    if silent:
        give_up(*silent)
    sys.exit(0)


def _line(one: LiveSession) -> tuple[str, ...]:
    rate = f"{_bytes(one.bytes_per_s)}/s" if one.bytes_per_s else ""
    moved = (_bytes(one.bytes_up), _bytes(one.bytes_down), rate)
    return (one.id, one.account, one.client, f"{one.seconds:.0f} s", one.command, one.path, *moved)


def _usage_line(one: AccountUsage) -> tuple[str, ...]:
    quota_bytes = "" if one.quota_bytes is None else _bytes(one.quota_bytes)
    quota_entries = "" if one.quota_entries is None else str(one.quota_entries)
    full = "" if one.percent is None else f"{one.percent:.0f} %"
    return one.account, one.home, _bytes(one.used_bytes), quota_bytes, str(one.used_entries), quota_entries, full


def _days(certificate: Certificate) -> str:
    return "" if certificate.days_left is None else str(certificate.days_left)


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.0f} TB"
