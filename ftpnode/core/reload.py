"""Decides which changes of cluster.yaml a running ftpnode cannot follow: what is bound, opened or started once."""

from collections.abc import Iterator

from msgspec.structs import replace

from cluster.problem import Problem
from cluster.settings import Settings
from ftpnode.core.login import Candidate

_ONCE_PER_SITE = ("port", "implicit_port", "sftp_port")
_ONCE_PER_NODE = ("address", "root", "state", "management_port", "workers")
_ONCE_LIMITS = ("password_checks_at_once", "publishes_at_once")
_ONCE_REPLICATION = ("mode", "disk_reserve_bytes")
_RESTART = "restart ftpnode for that, or put it back"


def needs_restart(old: Settings, new: Settings, node: str) -> tuple[Problem, ...]:
    """Every change from `old` to `new` that node `node` can take on at a start alone."""
    return tuple(_found(old, new, node))


def changed_sections(old: Settings, new: Settings) -> tuple[str, ...]:
    """The top-level sections that differ."""
    return tuple(name for name in Settings.__struct_fields__ if getattr(old, name) != getattr(new, name))


def login_after(login: Candidate, site: str, new: Settings) -> Candidate | None:
    """What becomes of a session's login; None when its account is gone, or lives elsewhere."""
    account = new.accounts.get(login.name) if login.name in new.sites[site].accounts else None
    return Candidate(login.name, account) if account and account.home == login.account.home else None


def _found(old: Settings, new: Settings, node: str) -> Iterator[Problem]:
    if node not in new.nodes:
        yield Problem(f"nodes.{node}", "is gone from the file", "stop this ftpnode, or put it back")
        return
    if replace(old.cluster, client_ca=None) != replace(new.cluster, client_ca=None):
        yield Problem("cluster", "has changed, and its secrets are read once", _RESTART)
    for name in sorted(old.sites.keys() ^ new.sites.keys()):
        yield Problem(f"sites.{name}", f"is {'new' if name in new.sites else 'gone'}", _RESTART)
    for name in old.sites.keys() & new.sites.keys():
        yield from _fields(f"sites.{name}", old.sites[name], new.sites[name], _ONCE_PER_SITE)
    yield from _fields(f"nodes.{node}", old.nodes[node], new.nodes[node], _ONCE_PER_NODE)
    yield from _fields("replication", old.replication, new.replication, _ONCE_REPLICATION)
    yield from _fields("limits", old.limits, new.limits, _ONCE_LIMITS)


def _fields(where: str, old: object, new: object, names: tuple[str, ...]) -> Iterator[Problem]:
    for name in names:
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield Problem(f"{where}.{name}", f"is {before} in this process and {after} in the file", _RESTART)
