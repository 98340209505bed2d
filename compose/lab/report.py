"""Judges a lab run: what the clients were promised against what stands on every disk. Pure: values in, a report out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from compose.lab.fault import Hit
from compose.lab.tree import Tree, differences
from stations.journal import Event, What
from stations.ledger import Downloads, Expectation, Percentiles, Sessions, counts, what_must_stand
from stations.persona import KEEPS_CONNECTION

_ERRORS: Final = {What.UPLOAD_FAILED, What.DOWNLOAD_FAILED, What.DELETE_FAILED, What.SESSION_FAILED}
_LISTED: Final = 50
_AFTERMATH_S: Final = 1.0  # what was told to a client in the last moment of a fault


class Uploads(msgspec.Struct, frozen=True, kw_only=True):
    """Attempts to upload; `lost` counts acknowledged contents that a node does not hold after settling."""

    started: int
    acknowledged: int
    client_errors: int
    lost: int


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something the lab broke, `at_s` seconds after the clients began; all was well again at `until_s`."""

    at_s: float
    what: str
    hit: Hit
    until_s: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON that `tripod lab --report FILE` writes.

    `unexplained_errors` counts the client errors at a time when the balancer was not broken: neither a broken node nor
    an upgrade of the parts that are `upgraded` explains one. `missing` names what was lost,
    `different` the paths that nodes do not agree on, `unexpected` the paths that hold something no client can account
    for: half a file, or a deleted one that came back. Fifty of each at most.
    """

    uploads: Uploads
    downloads: Downloads
    idle_sessions: Sessions
    nodes_identical: bool
    violations: int
    unexplained_errors: int
    settled: bool
    ack_seconds: Percentiles
    replication_seconds: Percentiles
    faults: tuple[Fault, ...]
    upgraded: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    different: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether nothing was lost, corrupt, half, different, seen by who must not see it, or noticed of an upgrade."""
        broken = self.uploads.lost or self.downloads.corrupt or self.violations or self.unexpected
        if self.upgraded and self.unexplained_errors:
            return False
        return self.nodes_identical and self.settled and not broken


def judge(
    events: Sequence[Event],
    trees: Mapping[str, Tree],
    *,
    began_s: float,
    faults: Sequence[Fault],
    replication_seconds: Percentiles,
    settled: bool,
    upgraded: Sequence[str] = (),
) -> Report:
    """The report on a run, from the clients' journal and the disks after settling.

    `began_s` is the moment (seconds since the epoch) from which the faults' times count.
    """
    found = counts(events)
    expectations = what_must_stand(events).values()
    missing = tuple(_missing(expectations, trees))
    unexpected = tuple(_unexpected(expectations, trees))
    different = tuple(f"{path}: {held}" for path, held in differences(dict(trees)).items())
    return Report(
        uploads=Uploads(
            started=found.uploads.started,
            acknowledged=found.uploads.acknowledged,
            client_errors=found.uploads.client_errors,
            lost=len(missing),
        ),
        downloads=found.downloads,
        idle_sessions=found.idle_sessions,
        nodes_identical=not different,
        violations=found.violations,
        unexplained_errors=sum(1 for _ in _unexplained(events, faults, began_s)),
        settled=settled,
        ack_seconds=found.ack_seconds,
        replication_seconds=replication_seconds,
        faults=tuple(faults),
        upgraded=tuple(upgraded),
        missing=missing[:_LISTED],
        different=different[:_LISTED],
        unexpected=unexpected[:_LISTED],
    )


def _missing(expectations: Iterable[Expectation], trees: Mapping[str, Tree]) -> Iterable[str]:
    """One line for each acknowledged content that a node holds neither under its path nor in its conflict store."""
    for expected in expectations:
        without = [node for node, tree in trees.items() if not _held(expected, tree)]
        if without:
            yield f"{expected.path} on {', '.join(without)}"


def _unexpected(expectations: Iterable[Expectation], trees: Mapping[str, Tree]) -> Iterable[str]:
    """One line for each content under a path that no attempt of any client can explain."""
    for expected in expectations:
        found = {node: tree.entries.get(expected.path) for node, tree in trees.items()}
        strange = [node for node, content_id in found.items() if content_id and not expected.holds(content_id)]
        if strange:
            yield f"{expected.path} on {', '.join(strange)}"


def _unexplained(events: Iterable[Event], faults: Sequence[Fault], began_s: float) -> Iterable[Event]:
    """The client errors that nothing excuses: at no time of the attempt was the balancer broken.

    A kept connection may have died at any time since its client was last heard of.
    """
    excuses = [fault for fault in faults if fault.hit is Hit.BALANCER]
    heard_s: dict[str, float] = {}
    for event in events:
        ended_s = event.at_s - began_s
        started_s = ended_s - (event.seconds or 0.0)
        if event.persona == KEEPS_CONNECTION.name:
            started_s = min(started_s, heard_s.get(event.who, started_s))
        if event.event in _ERRORS:
            if not any(started_s <= fault.until_s + _AFTERMATH_S and fault.at_s <= ended_s for fault in excuses):
                yield event
        elif event.event is not What.UPLOAD_STARTED:
            heard_s[event.who] = ended_s


def _held(expected: Expectation, tree: Tree) -> bool:
    if expected.acknowledged is None:
        return True
    return expected.holds(tree.entries.get(expected.path)) or expected.acknowledged in tree.kept
