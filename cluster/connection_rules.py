"""The rules of which nodes have links with which: every node can hear of everything, and policies can be kept."""

from collections.abc import Iterator

from cluster.problem import Problem
from cluster.settings import Settings

_WHERE = "replication.connections"


def broken_connections(settings: Settings) -> Iterator[Problem]:
    """What is wrong with the connections, and what they make impossible."""
    replication = settings.replication
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
    least = min(settings.nodes, key=lambda node: len(settings.peers_of(node)), default=None)
    if least is None:
        return
    possible = 1 + len(settings.peers_of(least))
    for name, account in settings.accounts.items():
        wanted = {"quorum": len(settings.nodes) // 2 + 1, "all": len(settings.nodes)}.get(account.policy, 1)
        if wanted > possible:
            what = (
                f"`{account.policy}` asks for {wanted} copies, and {least} with its peers can make {possible} at once"
            )
            yield Problem(f"accounts.{name}.policy", what, f"use `any-peer`, or add connections of {least}")
