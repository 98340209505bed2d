"""Tells the story of one path from what every node knows of it, in lines for people."""

import datetime
from collections.abc import Iterator, Mapping

from cluster.explained import Explained, Moment, Version
from compose.quantities import shown_bytes

_WHAT = {
    "written": "written",
    "found": "found on the disk, written past the cluster",
    "imported": "found on the disk when the node joined",
    "heard": "heard of",
    "restamped": "given a new stamp, for the clock had run ahead",
    "missing": "found missing on the disk, to be fetched again",
    "rotten": "found rotten on the disk, to be fetched again",
    "shown": "in place",
    "cleared": "removed from the disk",
}


def story(path: str, known: Mapping[str, Explained], silent: tuple[str, ...]) -> Iterator[str]:
    """The lines. `known` has every node that answered; `silent` are the others."""
    best = max(known.values(), key=lambda one: max((version.stamp_ns for version in one.versions), default=-1))
    yield f"{path}"
    if not best.versions:
        yield "  no node that answers knows it"
    yield from _versions(best)
    for node, one in known.items():
        if _identities(one) != _identities(best):
            yield f"  {node} knows other versions: {', '.join(_named(one.versions)) or 'none'}"
    yield from _holders(best, known, silent)
    yield from _losers(known)
    yield from _history(known)


def _versions(best: Explained) -> Iterator[str]:
    for position, version in enumerate(best.versions):
        yield f"  {'shown' if position == 0 else 'lost '}: {_described(version)}"
        yield f"         its maker had seen {_seen(version)}"
    for reason in best.why if best.versions else ():
        yield f"  why: {reason}"


def _holders(best: Explained, known: Mapping[str, Explained], silent: tuple[str, ...]) -> Iterator[str]:
    deleted = bool(best.versions) and best.versions[0].kind == "tombstone"
    for node, one in known.items():
        if one.waits:
            yield f"  {node}: {one.waits}"
        elif one.holds:
            yield f"  {node} has it{'' if one.here is None or one.here.as_recorded else ', but the disk has changed'}"
        elif not deleted and best.versions:
            yield f"  {node} does not have it"
    for node in silent:
        tellers = sorted(other for other, one in known.items() if node in one.told_holders)
        told = f"; it has told {', '.join(tellers)} that it holds all up to this" if tellers else ""
        yield f"  {node} does not answer{told}"


def _losers(known: Mapping[str, Explained]) -> Iterator[str]:
    contents = {lost.content_id: lost for one in known.values() for lost in one.losers}
    for content_id, lost in sorted(contents.items(), key=lambda pair: pair[1].stamp_ns):
        kept = [f"{node}: {its.file}" for node, one in known.items() for its in one.losers
                if its.content_id == content_id and its.file]  # fmt: skip
        where = "kept as " + ", ".join(kept) if kept else "kept on no node that answers"
        yield f"  conflict: {shown_bytes(lost.size_bytes)} from {lost.node}, {_moment(lost.stamp_ns)}, {where}"


def _history(known: Mapping[str, Explained]) -> Iterator[str]:
    moments = sorted((moment.at_ns, node, moment) for node, one in known.items() for moment in one.history)
    if moments:
        yield "  history (by the clock of each node):"
    for at_ns, node, moment in moments:
        yield f"    {_moment(at_ns)}  {node}: {_happened(moment)}"


def _happened(moment: Moment) -> str:
    by = f" by {moment.account}" if moment.account else ""
    change = f" (change {moment.sequence} of {moment.node})" if moment.sequence else ""
    what = "deletion" if moment.kind == "tombstone" else moment.kind
    size = f" of {shown_bytes(moment.size_bytes)}, {moment.content_id[:12]}" if moment.content_id else ""
    if moment.what == "written" and moment.kind == "tombstone":
        return f"deleted{by}{change}"
    if moment.what == "heard":
        return f"heard of {moment.node}'s change {moment.sequence}: {what}{size}{by}"
    return f"{what}{size} {_WHAT.get(moment.what, moment.what)}{by}{change}".strip()


def _described(version: Version) -> str:
    by = f" by {version.account}" if version.account else ""
    change = f"change {version.sequence} of {version.node}{by}, {_moment(version.stamp_ns)}"
    if version.kind == "file":
        return f"{change}: a file of {shown_bytes(version.size_bytes)}, content {version.content_id[:12]}"
    return f"{change}: {'deleted' if version.kind == 'tombstone' else 'a directory'}"


def _seen(version: Version) -> str:
    others = {replica: upto for replica, upto in version.vector.items() if replica != version.replica}
    seen = [f"{replica.partition(':')[0]} up to change {upto}" for replica, upto in sorted(others.items())]
    return ", ".join(seen) or "no other node's changes of it"


def _identities(one: Explained) -> set[tuple[str, int]]:
    return {(version.replica, version.sequence) for version in one.versions}


def _named(versions: tuple[Version, ...]) -> list[str]:
    return [f"change {version.sequence} of {version.node}" for version in versions]


def _moment(at_ns: int) -> str:
    if not at_ns:
        return "at an unknown time"
    moment = datetime.datetime.fromtimestamp(at_ns / 1e9, datetime.UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d} UTC"
