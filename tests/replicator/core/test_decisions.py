"""Copies, leases, belief, dirty marks and acknowledgements as tables."""

import msgspec
import pytest

from replicator.core.belief import disbelief
from replicator.core.copies import PeerView, copies_wanted, is_in_sync
from replicator.core.dirty import Mark, collapsed, ripe
from replicator.core.head import Dot, Head, Kind
from replicator.core.hybrid_clock import MAX_DRIFT_NS
from replicator.peers.progress import PeerProgress

NOW_NS = 10**18
GOOD = Head(dot=Dot("n:1", 3), vector={"n:1": 2}, stamp_ns=NOW_NS, kind=Kind.FILE, content_id="0" * 64, size_bytes=1)


@pytest.mark.parametrize(
    ("policy", "nodes", "wanted"),
    [("local", 3, 1), ("any-peer", 3, 2), ("quorum", 2, 2), ("quorum", 3, 2), ("quorum", 5, 3), ("all", 5, 5)],
)
def test_copies_wanted_by_policy(policy, nodes, wanted):
    assert copies_wanted(policy, nodes) == wanted


@pytest.mark.parametrize(
    ("connected", "heard_ago_s", "suspect", "in_sync"),
    [(True, 1.0, False, True), (True, 4.0, False, False), (True, 1.0, True, False), (False, 1.0, False, False)],
)
def test_only_a_peer_with_a_lease_is_waited_for(connected, heard_ago_s, suspect, in_sync):
    view = PeerView(name="n", connected=connected, heard_ago_s=heard_ago_s, suspect=suspect)
    assert is_in_sync(view, 3.0) is in_sync


@pytest.mark.parametrize("path", ["../x", "/x", ".tripod/marker", "a//b", "", "a\nb"])
def test_a_path_that_a_peer_must_not_name_is_refused(path):
    assert disbelief(path, (GOOD,), NOW_NS)


@pytest.mark.parametrize(
    "changes",
    [
        {"stamp_ns": NOW_NS + MAX_DRIFT_NS + 10**9},
        {"stamp_ns": -1},
        {"content_id": "../../etc/passwd"},
        {"content_id": ""},
        {"kind": Kind.DIRECTORY},
        {"size_bytes": -1},
        {"mtime_ns": 1 << 62},
        {"vector": {"n:1": 3}},
        {"vector": {"n:1": 0}},
        {"dot": Dot("n:1", 0)},
        {"vector": {"n:1": 1 << 63}},
    ],
)
def test_a_head_that_cannot_be_is_refused(changes):
    assert disbelief("a", (GOOD,), NOW_NS) is None
    assert disbelief("a", (msgspec.structs.replace(GOOD, **changes),), NOW_NS)


def test_no_heads_and_too_many_heads_are_refused():
    assert disbelief("a", (), NOW_NS)
    assert disbelief("a", (GOOD,) * 65, NOW_NS)


def test_marks_ripen_after_a_quiet_moment():
    paths = {"old": Mark(1.0), "fresh": Mark(1.9, deleted=True)}
    assert set(ripe(paths, 2.0, 0.5)) == {"old"}


def test_too_many_marks_become_folders_and_then_everything():
    one_folder = {f"d/{number}": Mark(0.0) for number in range(30)}
    assert collapsed(one_folder, 20).folders == {"d"}
    many = {f"{number}/x": Mark(0.0) for number in range(30)}
    assert collapsed(many, 20).everything
    assert collapsed(many, 40).paths == many


def test_only_what_is_whole_is_acknowledged():
    progress = PeerProgress(seen=0, held=0)
    progress.took(["a", "b"], 5)
    progress.took(["c"], 9)
    assert (progress.seen, progress.held({"a", "c"})) == (9, 0)
    assert progress.held({"c"}) == 5
    assert progress.held(set()) == 9


def test_after_a_restart_what_was_missing_is_still_not_acknowledged():
    progress = PeerProgress(seen=9, held=4, pending=["x"])
    assert progress.held({"x"}) == 4
    assert progress.held(set()) == 9


def test_behind_one_that_waits_for_days_nothing_heaps_up():
    progress = PeerProgress(seen=0, held=0)
    progress.took(["lost"], 1)
    for sequence in range(2, 50_000):
        progress.took([f"f{sequence % 20_000}", "changes often"], sequence)
        assert progress.held({"lost", "changes often"}) == 0
    assert len(progress._open) < 4_000
    assert progress.held({"changes often"}) == 1
    assert progress.held(set()) == 49_999
