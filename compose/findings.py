"""Finds what an operator should know and do about a cluster, the worst first; decides from documents alone."""

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Final

import msgspec

from cluster.backlog import Backlog
from cluster.health import BalancerHealth, FtpnodeHealth, NodeState, ReplicatorHealth
from cluster.recent import Recent
from compose.certificates import Certificate, CertificateState
from compose.quantities import shown_bytes, shown_seconds

OLD_BACKLOG_S: Final = 60.0
STALE_BACKLOG_S: Final = 3600.0
LOW_DISK: Final = 0.15
FULL_DISK: Final = 0.05


class Severity(IntEnum):
    """How bad it is."""

    GOOD = 0
    NOTE = 1
    WARNING = 2
    CRITICAL = 3


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it should be: where, what, and what to do."""

    severity: Severity
    where: str
    what: str
    advice: str


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """What the parts of a cluster said; a part that did not answer has no entry, the balancer is None.

    `balanced` and `replicated` say whether there should be a balancer, and replicators.
    """

    at: str
    name: str
    nodes: tuple[str, ...]
    replicated: bool = True
    balancer: BalancerHealth | None = None
    ftpnodes: Mapping[str, FtpnodeHealth] = {}
    replicators: Mapping[str, ReplicatorHealth] = {}
    backlogs: Mapping[str, Backlog] = {}
    recent: Mapping[str, Recent] = {}
    certificates: tuple[Certificate, ...] = ()


_ADVICE: Final = (
    (
        "is not connected",
        "see whether that node runs (`tripod status`) and whether the network between the two is open",
    ),
    ("clock differs", "let both nodes follow the same time servers"),
    ("canary", "see that node's load and disk, the network between the two, and `tripod backlog`"),
    ("blind", "nothing, if it goes away within minutes; else see the limits in docs/operations.md"),
    ("fewer copies", "bring the missing node back; until then one disk holds what was acknowledged"),
    (
        "content that no peer has",
        'start the nodes that are down; else see "Content that no node has" in docs/operations.md',
    ),
    ("paths wait", "`tripod explain PATH` tells why"),
    ("held back", "look at them with `tripod approve`, then let them go or take them back"),
    (
        "more than once for Windows",
        "`tripod oddities` lists them: rename one of each, or leave them where nobody minds",
    ),
    ("not replicated", "`tripod oddities` lists them: move links and devices out of the root, and rename the others"),
    ("sysctl", "set it as the notice says"),
    ("rotten", "the disk of that node deserves a look; a file that no peer has must come from a backup"),
)


def findings(seen: Observed) -> tuple[Finding, ...]:
    """Everything, the worst first."""
    found = [*_balancer(seen), *_nodes(seen), *_replicators(seen), *_pairs(seen), *_certificates(seen)]
    return tuple(sorted(found, key=lambda finding: -finding.severity))


def verdict(found: tuple[Finding, ...]) -> tuple[Severity, str]:
    """The worst of it, in a sentence."""
    worst = max((finding.severity for finding in found), default=Severity.GOOD)
    count = sum(finding.severity is worst for finding in found)
    things = f"{count} thing{'s' if count != 1 else ''}"
    match worst:
        case Severity.CRITICAL:
            return worst, f"{things} must be seen to now"
        case Severity.WARNING:
            return worst, f"The cluster works; {things} should be seen to"
        case Severity.NOTE:
            return worst, f"All is well; {things} to know"
        case _:
            return worst, "All is well"


def _balancer(seen: Observed) -> Iterator[Finding]:
    if seen.balancer is None:
        yield Finding(Severity.CRITICAL, "balancer", "does not answer: clients may not get in",
                      "start it, and see its log")  # fmt: skip
        return
    for node in seen.balancer.nodes:
        if not node.usable and node.state is not NodeState.DRAINING:
            yield Finding(Severity.WARNING, node.node, f"gets no sessions from the balancer: {node.why}",
                          "`balancer status` tells more")  # fmt: skip
    for notice in seen.balancer.notices:
        yield _notice("balancer", notice)


def _nodes(seen: Observed) -> Iterator[Finding]:
    for name in seen.nodes:
        node = seen.ftpnodes.get(name)
        if node is None:
            yield Finding(Severity.CRITICAL, name, "its ftpnode does not answer", "start it, and see its log")
            continue
        if node.state is NodeState.FAILED:
            yield Finding(Severity.CRITICAL, name, "its ftpnode has failed", "see its notices and its log")
        elif node.state is not NodeState.READY:
            yield Finding(Severity.NOTE, name, f"is {node.state.value}", "`tripod enable` ends a drain")
        free = node.disk_free_bytes / node.disk_total_bytes if node.disk_total_bytes else 1.0
        if free < LOW_DISK:
            severity = Severity.CRITICAL if free < FULL_DISK else Severity.WARNING
            yield Finding(severity, name, f"its disk has {shown_bytes(node.disk_free_bytes)} left ({free:.0%})",
                          "make room or give it a larger disk; a full node refuses uploads")  # fmt: skip
        for notice in node.notices:
            yield _notice(name, notice)


def _replicators(seen: Observed) -> Iterator[Finding]:
    for name in seen.nodes if seen.replicated else ():
        replicator = seen.replicators.get(name)
        if replicator is None:
            yield Finding(Severity.CRITICAL, name, "its replicator does not answer: it takes no uploads",
                          "start it, and see its log")  # fmt: skip
            continue
        if replicator.state is NodeState.FAILED:
            yield Finding(Severity.CRITICAL, name, "its replicator has failed", "do what its notice says")
        elif replicator.state is not NodeState.READY:
            yield Finding(Severity.NOTE, name, f"its replicator is {replicator.state.value}", "wait until it is ready")
        if replicator.conflicts:
            yield Finding(Severity.NOTE, name, f"knows of {replicator.conflicts} versions that lost a conflict",
                          f"`replicator conflicts --node {name}` lists them; their content is kept")  # fmt: skip
        for notice in replicator.notices:
            yield _notice(name, notice)


def _pairs(seen: Observed) -> Iterator[Finding]:
    for name, backlog in seen.backlogs.items():
        for owed in backlog.peers:
            if owed.oldest_s is not None and owed.oldest_s > OLD_BACKLOG_S:
                stale = owed.oldest_s > STALE_BACKLOG_S
                what = f"owes {owed.peer} {owed.entries} changes, {shown_bytes(owed.size_bytes)}; the oldest is "
                yield Finding(Severity.CRITICAL if stale else Severity.WARNING, name,
                              f"{what}{shown_seconds(owed.oldest_s)} old",
                              "`tripod backlog --paths 20` names them, `tripod explain PATH` tells why")  # fmt: skip
    for name, replicator in seen.replicators.items():
        for peer in replicator.peers:
            if peer.differing:
                what = f"the index of {peer.peer} differed in {peer.differing} folders, and was told anew"
                yield Finding(Severity.WARNING, name, what, f"look at the disk and the log of {peer.peer}")


def _certificates(seen: Observed) -> Iterator[Finding]:
    for one in seen.certificates:
        if one.state is CertificateState.ENDS_SOON:
            yield Finding(Severity.WARNING, one.where, f"its certificate ends in {one.days_left} days",
                          "renew it, then `tripod reload` (SIGHUP for the balancer)")  # fmt: skip
        elif one.state not in {CertificateState.GOOD, CertificateState.NOT_HERE}:
            yield Finding(Severity.CRITICAL, one.where, f"its certificate is {one.state}", "replace it")


def _notice(where: str, text: str) -> Finding:
    advice = next((advice for words, advice in _ADVICE if words in text), "see the log of that node")
    is_lost = "rotten here" in text or "content that no peer has" in text
    severity = Severity.CRITICAL if is_lost else Severity.WARNING
    return Finding(severity, where, text, advice)
