"""What a report finds in what the parts said, how bad it is, and what it advises; and that the page says it safely."""

import datetime
import html.parser

import msgspec
import pytest

from cluster.backlog import Backlog, Owed
from cluster.health import (
    BalancedNode,
    BalancerHealth,
    CanaryHealth,
    FtpnodeHealth,
    NodeState,
    PeerHealth,
    ReplicatorHealth,
    ScrubHealth,
)
from cluster.recent import LastHour, Recent, Warned
from compose.certificates import Certificate, CertificateState
from compose.findings import Finding, Observed, Severity, findings, verdict
from compose.report_page import report_page
from compose.report_rows import node_table, pair_table

GB = 10**9


def ftpnode(name, **fields):
    return FtpnodeHealth(**({"node": name, "state": NodeState.READY, "disk_free_bytes": 80 * GB,
                             "disk_total_bytes": 100 * GB} | fields))  # fmt: skip


def peer(name, **fields):
    canary = CanaryHealth(last_s=0.02, p50_s=0.021, p99_s=0.08)
    return PeerHealth(**({"peer": name, "connected": True, "in_sync": True, "canary": canary} | fields))


def replicator(name, other, **fields):
    return ReplicatorHealth(**({"node": name, "incarnation": "1", "state": NodeState.READY, "files": 1200,
                                "peers": (peer(other),)} | fields))  # fmt: skip


def owing(node, other, **fields):
    return Backlog(node=node, peers=(Owed(**({"peer": other, "connected": True} | fields)),))


READY = (BalancedNode(node="n1", usable=True, state=NodeState.READY),)
REFUSED = (BalancedNode(node="n1", usable=False, state=NodeState.READY, why="login fails"),)
HOUR = LastHour(made=3, made_bytes=9)
WELL = Observed(
    at="2026-11-25 12:00:00 UTC",
    name="survey",
    nodes=("n1", "n2"),
    balancer=BalancerHealth(state=NodeState.READY, nodes=READY),
    ftpnodes={name: ftpnode(name) for name in ("n1", "n2")},
    replicators={"n1": replicator("n1", "n2"), "n2": replicator("n2", "n1")},
    backlogs={"n1": owing("n1", "n2"), "n2": owing("n2", "n1")},
    recent={"n1": Recent(node="n1", last_hour=HOUR, warnings=(Warned("12:00", "peer lost"),))},
    certificates=(Certificate(where="nodes.n1", file="x", state=CertificateState.GOOD,
                              ends=datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC), days_left=99),),
)  # fmt: skip


def but(**changes):
    return msgspec.structs.replace(WELL, **changes)


def test_where_all_is_well_nothing_is_found():
    assert findings(WELL) == ()
    assert verdict(()) == (Severity.GOOD, "All is well")


def certificate(state, days_left=5):
    return (Certificate(where="balancer", file="x", state=state, days_left=days_left),)


def with_ftpnode(**fields):
    return but(ftpnodes={"n1": ftpnode("n1", **fields), "n2": ftpnode("n2")})


def with_replicator(**fields):
    return but(replicators={"n1": replicator("n1", "n2", **fields), "n2": WELL.replicators["n2"]})


@pytest.mark.parametrize(
    ("seen", "severity", "where", "words"),
    [
        (but(balancer=None), Severity.CRITICAL, "balancer", "does not answer"),
        (but(ftpnodes={"n1": ftpnode("n1")}), Severity.CRITICAL, "n2", "ftpnode does not answer"),
        (with_ftpnode(state=NodeState.FAILED), Severity.CRITICAL, "n1", "failed"),
        (with_ftpnode(state=NodeState.DRAINING), Severity.NOTE, "n1", "draining"),
        (with_ftpnode(disk_free_bytes=9 * GB), Severity.WARNING, "n1", "9.0 GB left (9%)"),
        (with_ftpnode(disk_free_bytes=2 * GB), Severity.CRITICAL, "n1", "2.0 GB left"),
        (but(replicators={"n1": WELL.replicators["n1"]}), Severity.CRITICAL, "n2", "replicator does not answer"),
        (with_replicator(state=NodeState.FAILED), Severity.CRITICAL, "n1", "replicator has failed"),
        (with_replicator(state=NodeState.JOINING), Severity.NOTE, "n1", "joining"),
        (with_replicator(conflicts=3), Severity.NOTE, "n1", "3 versions that lost"),
        (with_replicator(notices=("n2 is not connected: refused",)), Severity.WARNING, "n1", "not connected"),
        (with_replicator(notices=("2 files are rotten here and no peer",)), Severity.CRITICAL, "n1", "rotten"),
        (with_replicator(notices=("3 paths wait for content that no peer has, such as 'x'",)),
         Severity.CRITICAL, "n1", "content that no peer has"),
        (with_replicator(peers=(peer("n2", differing=4),)), Severity.WARNING, "n1", "differed in 4 folders"),
        (but(backlogs={"n1": owing("n1", "n2", entries=7, oldest_s=90.0)}), Severity.WARNING, "n1", "owes n2 7"),
        (but(backlogs={"n1": owing("n1", "n2", entries=7, oldest_s=9000.0)}), Severity.CRITICAL, "n1", "2 h old"),
        (but(certificates=certificate(CertificateState.ENDS_SOON)), Severity.WARNING, "balancer", "ends in 5 days"),
        (but(certificates=certificate(CertificateState.EXPIRED)), Severity.CRITICAL, "balancer", "expired"),
        (but(balancer=BalancerHealth(state=NodeState.READY, nodes=REFUSED)),
         Severity.WARNING, "n1", "login fails"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found_with_its_severity_place_and_advice(seen, severity, where, words):
    (found,) = findings(seen)
    assert (found.severity, found.where) == (severity, where)
    assert words in found.what
    assert found.advice


def test_young_backlogs_and_certificates_elsewhere_are_no_findings():
    young = but(backlogs={"n1": owing("n1", "n2", entries=7, oldest_s=3.0)})
    assert findings(young) == ()
    assert findings(but(certificates=certificate(CertificateState.NOT_HERE, None))) == ()


def test_the_worst_comes_first_and_makes_the_verdict():
    found = findings(but(balancer=None, replicators={"n1": replicator("n1", "n2", conflicts=1)}))
    assert [each.severity for each in found] == sorted((each.severity for each in found), reverse=True)
    assert verdict(found) == (Severity.CRITICAL, "2 things must be seen to now")
    note = Finding(Severity.NOTE, "n1", "x", "y")
    assert verdict((note,)) == (Severity.NOTE, "All is well; 1 thing to know")


def test_the_tables_say_what_is_silent_and_late():
    late = with_replicator(peers=(peer("n2", connected=False, canary=CanaryHealth(late_s=33.0)),))
    assert pair_table(late)[1][0][:7] == ("n1", "n2", "NO", "0", "0 B", "", "late, 33 s")
    assert node_table(but(ftpnodes={}))[1][0][:3] == ("n1", "silent", "ready")
    assert node_table(with_replicator(scrub=ScrubHealth(percent=34.4)))[1][0][-2] == "34 %"
    assert node_table(with_replicator(scrub=ScrubHealth(ended_s_ago=7300.0)))[1][0][-2] == "2 h ago"


class _Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen, self.links = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.links += [value for name, value in attrs if name in {"src", "href"}]


@pytest.mark.parametrize(
    "seen", [WELL, but(balancer=None, ftpnodes={}, replicators={}, backlogs={}, recent={}, certificates=())]
)
def test_the_page_needs_nothing_from_elsewhere(seen):
    page = report_page(seen)
    tags = _Tags()
    tags.feed(page)
    assert not tags.links
    assert not {"script", "link", "img", "iframe"} & set(tags.seen)
    assert "url(" not in page.replace("url(#tip)", "")
    assert "prefers-color-scheme:dark" in page
    assert verdict(findings(seen))[1] in page


def test_what_the_parts_say_cannot_become_markup():
    evil = "<script>alert(1)</script>"
    seen = with_replicator(notices=(evil,), peers=(peer("n2"),))
    seen = msgspec.structs.replace(seen, name=evil, recent={"n1": Recent(node="n1", warnings=(Warned("12:00", evil),))})
    assert "<script" not in report_page(seen)
    assert report_page(seen).count("&lt;script&gt;") >= 3
