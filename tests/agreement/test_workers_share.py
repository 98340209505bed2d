"""What is shared out among workers, when a dead one is started again, and how their metrics add up."""

import pytest

from cluster.place import Place
from cluster.restart import deaths_in_a_row, pause_s
from cluster.sum_metrics import Family, Sample, left_behind, summed


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("count", [64, 100, 1000])
def test_the_slices_are_the_range_and_differ_by_one_port_at_most(workers, count):
    ports = range(30000, 30000 + count)
    slices = [Place(number, workers).slice(ports) for number in range(1, workers + 1)]
    assert [port for one in slices for port in one] == list(ports)
    assert max(map(len, slices)) - min(map(len, slices)) <= 1


@pytest.mark.parametrize(
    ("total", "workers", "share"), [(16, 1, 16), (16, 2, 8), (2, 2, 1), (2, 4, 1), (7, 2, 3)], ids=str
)
def test_every_worker_may_do_its_share_and_something(total, workers, share):
    assert {Place(number, workers).share(total) for number in range(1, workers + 1)} == {share}


def test_staged_files_of_eleven_are_not_taken_for_those_of_one():
    assert Place().mark == ""
    assert not Place(11, 12).mark.startswith(Place(1, 12).mark)


def test_who_dies_again_and_again_waits_ever_longer_but_never_for_long():
    deaths, pauses = 0, []
    for _ in range(12):
        deaths = deaths_in_a_row(deaths, lived_s=1.0)
        pauses.append(pause_s(deaths))
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.8]
    assert pauses == sorted(pauses)
    assert pauses[-1] == pause_s(10**9) == 30.0
    assert pause_s(deaths_in_a_row(deaths, lived_s=3600.0)) == 0.1


def counter(**by_outcome):
    samples = tuple(Sample("up_total", {"outcome": outcome}, value) for outcome, value in by_outcome.items())
    return Family("up", "counter", "Uploads.", samples)


SESSIONS = Family("sessions", "gauge", "Sessions.", (Sample("sessions", {}, 3.0),))


def test_metrics_add_up_by_name_and_labels():
    assert summed([(counter(good=1.0, cut=2.0), SESSIONS), (counter(good=10.0, slow=5.0), SESSIONS)]) == (
        counter(good=11.0, cut=2.0, slow=5.0),
        Family("sessions", "gauge", "Sessions.", (Sample("sessions", {}, 6.0),)),
    )


def test_of_a_worker_that_has_gone_only_what_grows_still_counts():
    assert left_behind((counter(good=1.0), SESSIONS)) == (counter(good=1.0),)
    assert summed([]) == ()
