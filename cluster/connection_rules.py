"""The rules of which nodes have links with which: every node can hear of everything, and policies can be kept."""

from collections.abc import Iterator

from cluster.problem import Problem
from cluster.settings import Settings

_WHERE = "replication.connections"


def broken_connections(settings: Settings) -> Iterator[Problem]:
    """What is wrong with the connections, and what they make impossible."""
    replication = settings.replication
    yield from _mirrors(settings)
    if replication.mode != "connections":
        if replication.connections:
            what = f"are named, and replication.mode is {replication.mode}"
            yield Problem(_WHERE, what, "write `mode: connections`, or drop them")
        return
    broken = list(_pairs(settings))
    yield from broken
    if broken:
        return
    first, *others = parts(settings)
    for part in others:
        what = f"leave {', '.join(part)} apart from {', '.join(first)}: neither hears of the other's files"
        yield Problem(_WHERE, what, f"add a pair such as [{first[0]}, {part[0]}]")
    for number, link in enumerate(replication.links):
        if link.target in settings.nodes.keys() - settings.peers_of(link.source) - {link.source}:
            what = f"there is no connection between {link.source} and {link.target}"
            yield Problem(f"replication.links[{number}]", what, f"add one to {_WHERE}, or drop this")
    yield from _policies(settings)


def _mirrors(settings: Settings) -> Iterator[Problem]:
    mirrors = [name for name in settings.nodes if name not in settings.writers]
    if mirrors and not settings.writers:
        what = "is read-only, as all nodes are: nobody could change anything"
        yield Problem(f"nodes.{mirrors[0]}.read_only", what, "let at least one node be written to")
    if mirrors and settings.replication.mode == "none":
        what = "is read-only, and without replicators nothing comes to it"
        yield Problem(f"nodes.{mirrors[0]}.read_only", what, "use `replication.mode: full-mesh`")


def parts(settings: Settings) -> list[tuple[str, ...]]:
    """The nodes in groups, within which each can be reached from each; one group when all is well."""
    found: list[tuple[str, ...]] = []
    left = dict.fromkeys(settings.nodes)
    while left:
        part = [next(iter(left))]
        for node in part:
            left.pop(node, None)
            part += sorted(peer for peer in settings.peers_of(node) if peer in left and peer not in part)
        found.append(tuple(part))
    return found


def _pairs(settings: Settings) -> Iterator[Problem]:
    known: dict[frozenset[str], int] = {}
    for number, pair in enumerate(settings.replication.connections):
        where = f"{_WHERE}[{number}]"
        for name in pair:
            if name not in settings.nodes:
                yield Problem(where, f"there is no node {name!r}", f"use two of: {', '.join(settings.nodes)}")
        if pair[0] == pair[1]:
            yield Problem(where, f"connects {pair[0]} with itself", "name two nodes")
        if frozenset(pair) in known:
            what = f"is {_WHERE}[{known[frozenset(pair)]}] again: a connection carries both ways"
            yield Problem(where, what, "drop one of them")
        known.setdefault(frozenset(pair), number)


def _policies(settings: Settings) -> Iterator[Problem]:
    """A change is acknowledged by the node that made it and its peers: others hold it later, and are not counted."""
    writers = settings.writers
    least = min(sorted(writers), key=lambda node: len(settings.peers_of(node) & writers), default=None)
    if least is None:
        return
    possible = 1 + len(settings.peers_of(least) & writers)
    for name, account in settings.accounts.items():
        wanted = {"local": 1, "any-peer": 2, "quorum": len(writers) // 2 + 1, "all": len(writers)}[account.policy]
        if wanted > possible:
            what = (
                f"`{account.policy}` asks for {wanted} copies, and {least} with its peers can make {possible} at once"
            )
            yield Problem(f"accounts.{name}.policy", what, f"ask for fewer, or add connections of {least}")
