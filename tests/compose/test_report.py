"""The judge of a lab run: acknowledged contents are lost when a disk lacks them, and only then."""

from pathlib import Path

import pytest

from cluster.content_id import content_id_of
from compose.lab.fault import Hit
from compose.lab.report import Fault, Report, judge
from compose.lab.tree import FOLDER, Tree, differences, read_tree
from stations.journal import Event, Role, What
from stations.ledger import percentiles

A, B = content_id_of(b"a"), content_id_of(b"b")
PATH = "Station/ABCD/file"


def event(what: What, content_id: str = A) -> Event:
    return Event(at_s=1.0, who="ABCD", role=Role.STATION, event=what, path=PATH, content_id=content_id, bytes=1)


SAFE = [event(What.UPLOAD_STARTED), event(What.UPLOAD_ACKNOWLEDGED)]
HAS_A, HAS_B, HAS_NONE = Tree({PATH: A}, frozenset()), Tree({PATH: B}, frozenset()), Tree({}, frozenset())
KEPT_A = Tree({PATH: B}, frozenset({A}))


@pytest.mark.parametrize(
    ("events", "one", "two", "lost", "identical"),
    [
        (SAFE, HAS_A, HAS_A, 0, True),
        (SAFE, HAS_A, HAS_NONE, 1, False),
        (SAFE, HAS_NONE, HAS_NONE, 1, True),
        (SAFE, HAS_B, HAS_B, 1, True),
        (SAFE, KEPT_A, KEPT_A, 0, True),
        ([event(What.UPLOAD_STARTED)], HAS_NONE, HAS_NONE, 0, True),
        ([event(What.UPLOAD_STARTED), event(What.UPLOAD_FAILED)], HAS_NONE, HAS_NONE, 0, True),
        ([*SAFE, event(What.UPLOAD_STARTED, B), event(What.UPLOAD_ACKNOWLEDGED, B)], HAS_B, HAS_B, 0, True),
        ([*SAFE, event(What.UPLOAD_STARTED, B), event(What.UPLOAD_ACKNOWLEDGED, B)], HAS_A, HAS_A, 1, True),
    ],
    ids=[
        "on both",
        "on one alone",
        "on none",
        "another content",
        "in the conflict store",
        "never acknowledged",
        "refused",
        "replaced",
        "replaced, but the old one is back",
    ],
)
def test_what_was_acknowledged_must_be_on_every_disk(events, one: Tree, two: Tree, lost: int, identical: bool) -> None:
    report = judge(
        events, {"node1": one, "node2": two}, began_s=0.0, faults=[], replication_seconds=percentiles([]), settled=True
    )
    assert (report.uploads.lost, report.nodes_identical) == (lost, identical)
    assert report.good is (lost == 0 and identical and not report.unexpected)


@pytest.mark.parametrize(
    ("events", "tree", "strange"),
    [
        (SAFE, HAS_A, False),
        (SAFE, HAS_B, True),
        ([event(What.UPLOAD_STARTED)], HAS_A, False),
        ([event(What.UPLOAD_STARTED)], HAS_B, True),
        ([event(What.UPLOAD_STARTED), event(What.UPLOAD_FAILED)], HAS_A, True),
        ([*SAFE, event(What.DELETE_STARTED), event(What.DELETED)], HAS_A, True),
        ([*SAFE, event(What.DELETE_STARTED), event(What.DELETED)], HAS_NONE, False),
    ],
    ids=["as promised", "another content", "end unknown", "half a file", "refused but there", "back", "gone"],
)
def test_what_no_client_can_account_for_is_not_good(events, tree: Tree, strange: bool) -> None:
    report = judge(events, {"node1": tree}, began_s=0.0, faults=[], replication_seconds=percentiles([]), settled=True)
    assert bool(report.unexpected) is strange


def test_a_run_that_did_not_settle_is_not_good() -> None:
    report = judge(SAFE, {"node1": HAS_A}, began_s=0.0, faults=[], replication_seconds=percentiles([]), settled=False)
    assert not report.good


def test_a_corrupt_download_and_a_violation_are_not_good() -> None:
    for what in (What.DOWNLOAD_CORRUPT, What.VIOLATION):
        report = judge(
            [event(what)],
            {"node1": HAS_NONE},
            began_s=0.0,
            faults=[],
            replication_seconds=percentiles([]),
            settled=True,
        )
        assert not report.good


def test_a_tree_is_what_clients_could_see_and_what_conflicts_kept(tmp_path: Path) -> None:
    (tmp_path / "Data").mkdir()
    (tmp_path / "Data/x").write_bytes(b"a")
    (tmp_path / ".tripod/staging").mkdir(parents=True)
    (tmp_path / ".tripod/staging/up-1").write_bytes(b"part")
    (tmp_path / ".tripod/conflicts/1").mkdir(parents=True)
    (tmp_path / ".tripod/conflicts/1/x").write_bytes(b"b")
    assert read_tree(tmp_path) == Tree({"Data": FOLDER, "Data/x": A}, frozenset({B}))


def test_differences_name_every_node() -> None:
    assert differences({"node1": HAS_A, "node2": HAS_NONE}) == {PATH: {"node1": A, "node2": "absent"}}
    assert differences({"node1": HAS_A, "node2": HAS_A}) == {}


def judged_of_an_error(failed: Event, *faults: Fault) -> Report:
    trees = {"node1": HAS_NONE}
    return judge([failed], trees, began_s=1000.0, faults=faults, replication_seconds=percentiles([]), settled=True)


@pytest.mark.parametrize(
    ("ended_s", "seconds", "unexplained"),
    [(5.0, 1.0, 1), (10.5, 0.1, 0), (12.5, 0.1, 0), (20.0, 0.1, 1), (20.0, 9.0, 0), (9.0, 0.1, 1)],
    ids=["before", "in it", "just after", "later", "began in it", "ended before it"],
)
def test_a_client_error_is_explained_by_a_death_of_the_balancer_that_it_ran_into(
    ended_s: float, seconds: float, unexplained: int
) -> None:
    failed = Event(
        at_s=1000.0 + ended_s, who="A", role=Role.STATION, event=What.UPLOAD_FAILED, path=PATH, seconds=seconds
    )
    fault = Fault(at_s=10.0, what="SIGKILL balancer", hit=Hit.BALANCER, until_s=12.0)
    report = judged_of_an_error(failed, fault)
    assert report.unexplained_errors == unexplained


@pytest.mark.parametrize("what", [What.UPLOAD_FAILED, What.DOWNLOAD_FAILED, What.DELETE_FAILED, What.SESSION_FAILED])
def test_no_fault_of_a_node_explains_a_client_error(what: What) -> None:
    failed = Event(at_s=1011.0, who="A", role=Role.IDLER, event=what, seconds=5.0)
    report = judged_of_an_error(failed, Fault(at_s=10.0, what="SIGSTOP node1", hit=Hit.NODE, until_s=12.0))
    assert report.unexplained_errors == 1


def test_errors_of_idle_sessions_are_counted() -> None:
    report = judged_of_an_error(Event(at_s=1.0, who="A", role=Role.IDLER, event=What.SESSION_FAILED))
    assert report.idle_sessions.client_errors == 1
