import pytest
from hypothesis import given
from hypothesis import strategies as st

from stations.journal import Event, Role, What
from stations.ledger import Expectation, counts, percentiles, what_must_stand

X, Y, HALF = "x" * 64, "y" * 64, "h" * 64
PATH = "Station/BERL/2026/326/F"


def event(what, content_id=X, *, path=PATH, **fields):
    return Event(at_s=1.0, who="BERL", role=Role.STATION, event=what, path=path, content_id=content_id, **fields)


def started(content_id=X, **fields):
    return event(What.UPLOAD_STARTED, content_id, **fields)


def acknowledged(content_id=X, **fields):
    return event(What.UPLOAD_ACKNOWLEDGED, content_id, **fields)


def failed(content_id=X, *, unknown):
    return event(What.UPLOAD_FAILED, content_id, outcome_unknown=unknown)


def delete_started():
    return event(What.DELETE_STARTED, "")


HISTORIES = {
    "acknowledged": ([started(), acknowledged()], {X}, False),
    "acknowledged twice": ([started(), acknowledged(), started(), acknowledged()], {X}, False),
    "the last acknowledgement counts": ([started(), acknowledged(), started(Y), acknowledged(Y)], {Y}, False),
    "refused": ([started(), failed(unknown=False)], set(), True),
    "cut": ([started(), failed(unknown=True)], {X}, True),
    "killed in the middle": ([started()], {X}, True),
    "cut, then retried": ([started(), failed(unknown=True), started(), acknowledged()], {X}, False),
    "cut, then refused": ([started(), failed(unknown=True), started(), failed(unknown=False)], {X}, True),
    "overwriting was cut": ([started(), acknowledged(), started(Y), failed(Y, unknown=True)], {X, Y}, False),
    "overwriting was refused": ([started(), acknowledged(), started(Y), failed(Y, unknown=False)], {X}, False),
    "overwriting was killed": ([started(), acknowledged(), started(Y)], {X, Y}, False),
    "cut between two pieces": ([started(partial_id=HALF), failed(unknown=True)], {X, HALF}, True),
    "both pieces arrived": ([started(partial_id=HALF), acknowledged()], {X}, False),
    "deleted": ([started(), acknowledged(), delete_started(), event(What.DELETED, "")], set(), True),
    "deleting was cut": (
        [started(), acknowledged(), delete_started(), event(What.DELETE_FAILED, "", outcome_unknown=True)],
        {X},
        True,
    ),
    "deleting was refused": ([started(), acknowledged(), delete_started(), event(What.DELETE_FAILED, "")], {X}, False),
    "deleting was killed": ([started(), acknowledged(), delete_started()], {X}, True),
    "reading changes nothing": ([started(), acknowledged(), event(What.DOWNLOAD_CORRUPT, Y)], {X}, False),
}


@pytest.mark.parametrize(("history", "allowed", "absent_allowed"), HISTORIES.values(), ids=HISTORIES)
def test_what_a_history_of_one_path_leaves_to_be_found(history, allowed, absent_allowed):
    expectation = what_must_stand(history)[PATH]
    assert (expectation.allowed, expectation.absent_allowed) == (allowed, absent_allowed)
    for content_id in (X, Y, HALF):
        assert expectation.holds(content_id) == (content_id in allowed)
    assert expectation.holds(None) == absent_allowed


def test_a_renamed_file_is_owed_under_its_new_name():
    found = what_must_stand([started(), acknowledged(), event(What.RENAMED, to="Station/new")])
    assert found[PATH] == Expectation(path=PATH)
    assert found["Station/new"].acknowledged == X


@given(
    st.lists(
        st.sampled_from([started(), started(Y), acknowledged(), failed(unknown=True), failed(unknown=False)]),
        max_size=12,
    ),
    st.sampled_from([X, Y]),
)
def test_whatever_came_before_an_acknowledgement_is_settled_by_it(history, content_id):
    found = what_must_stand([*history, started(content_id), acknowledged(content_id)])
    assert found[PATH].allowed == {content_id}
    assert not found[PATH].holds(None)


@given(st.lists(st.sampled_from([started(Y), failed(Y, unknown=True), failed(Y, unknown=False)]), max_size=12))
def test_nothing_that_failed_later_allows_an_acknowledged_file_to_vanish(later):
    expectation = what_must_stand([started(), acknowledged(), *later])[PATH]
    assert expectation.holds(X)
    assert not expectation.holds(None)
    assert expectation.acknowledged == X


def test_a_report_counts_attempts_files_read_and_violations():
    found = counts(
        [
            started(),
            failed(unknown=True),
            started(),
            acknowledged(ack_seconds=0.5),
            event(What.DOWNLOAD_FINISHED),
            event(What.DOWNLOAD_FINISHED, path="Data/"),
            event(What.DOWNLOAD_FAILED, path="Data/"),
            event(What.DOWNLOAD_CORRUPT),
            event(What.VIOLATION, path=""),
        ]
    )
    assert (found.uploads.started, found.uploads.acknowledged, found.uploads.client_errors) == (2, 1, 1)
    assert (found.downloads.finished, found.downloads.client_errors, found.downloads.corrupt) == (1, 1, 1)
    assert found.violations == 1
    assert (found.ack_seconds.p50, found.ack_seconds.p99) == (0.5, 0.5)


def test_percentiles_are_values_that_occurred():
    assert (percentiles([]).p50, percentiles([]).p99) == (None, None)
    hundred = [float(each) for each in range(1, 101)]
    assert (percentiles(hundred).p50, percentiles(hundred[::-1]).p99) == (50.0, 99.0)
