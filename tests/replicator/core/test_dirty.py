"""What events make of a mark, and when it is ripe, as tables."""

import pytest

from replicator.core.dirty import SETTLE_S, Mark, Told, marked, ripe

BEGUN, WHOLE, GONE = Mark(1.0), Mark(1.0, whole=True), Mark(1.0, deleted=True)


@pytest.mark.parametrize(
    ("before", "told", "lately_taken", "after"),
    [
        (None, Told.BEGUN, False, Mark(2.0)),
        (None, Told.WHOLE, False, Mark(2.0, whole=True)),
        (None, Told.WHOLE, True, Mark(2.0)),  # it changes often: it waits for a quiet moment
        (None, Told.ATTRIBUTES, False, Mark(2.0, whole=True)),
        (None, Told.ATTRIBUTES, True, Mark(2.0)),
        (None, Told.GONE, False, Mark(2.0, deleted=True)),
        (BEGUN, Told.WHOLE, False, Mark(2.0, whole=True)),
        (BEGUN, Told.ATTRIBUTES, False, Mark(2.0)),  # its writer is not done
        (WHOLE, Told.ATTRIBUTES, True, Mark(2.0, whole=True)),
        (WHOLE, Told.BEGUN, False, Mark(2.0)),  # another writer is at it
        (WHOLE, Told.GONE, False, Mark(2.0, deleted=True)),
        (GONE, Told.ATTRIBUTES, False, Mark(2.0, deleted=True)),
        (GONE, Told.WHOLE, False, Mark(2.0, whole=True)),
    ],
)
def test_an_event_makes_a_mark(before, told, lately_taken, after):
    assert marked(before, told, 2.0, lately_taken=lately_taken) == after


@pytest.mark.parametrize(
    ("mark", "age_s", "is_ripe"),
    [
        (BEGUN, SETTLE_S, False),
        (BEGUN, 0.5, True),
        (GONE, SETTLE_S, False),  # an editor may be about to write it again
        (GONE, 0.5, True),
        (WHOLE, SETTLE_S / 2, False),  # a temporary name may be about to be moved away
        (WHOLE, SETTLE_S * 1.01, True),
    ],
)
def test_only_what_is_whole_is_ripe_almost_at_once(mark, age_s, is_ripe):
    assert bool(ripe({"x": mark}, mark.at_s + age_s, 0.5)) is is_ripe
