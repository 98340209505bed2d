"""Who holds tombstones back, and whose index is too old, as tables."""

import pytest

from replicator.core.membership import Acquaintance, Member, forgettable, is_stale

DAYS_60_S = 60 * 86_400.0


def member(name, acked, silent_s=0.0):
    return Member(name=name, acked=acked, silent_s=silent_s)


@pytest.mark.parametrize(
    ("members", "upto"),
    [
        ([], 9),
        ([member("b", 7)], 7),
        ([member("b", 7), member("c", 3)], 3),
        ([member("b", 7), member("c", 3, silent_s=DAYS_60_S - 1)], 3),
        ([member("b", 7), member("c", 3, silent_s=DAYS_60_S)], 7),
        ([member("b", 7, silent_s=DAYS_60_S)], 9),
        ([member("b", 0)], 0),
    ],
)
def test_everybody_who_was_there_lately_holds_back_what_he_has_not_got(members, upto):
    assert forgettable(members, DAYS_60_S, 9) == upto


@pytest.mark.parametrize(
    ("known", "expelled_ns", "incarnation", "joined_ns", "stale"),
    [
        ("old", 0, "old", 5, False),  # away, and nothing was forgotten that it lacks
        ("old", 100, "old", 5, True),
        ("old", 100, "old", 500, True),  # whatever its clock says
        ("old", 100, "new", 0, False),  # it joins as new
        ("old", 100, "new", 50, False),  # it has joined as new through somebody else
        ("", 100, "never met", 5, True),  # a member from before we came
        ("", 100, "never met", 500, False),
        ("", 100, "never met", 0, False),
        ("", 0, "never met", 5, False),
    ],
)
def test_an_index_that_missed_what_was_forgotten_is_stale(known, expelled_ns, incarnation, joined_ns, stale):
    assert is_stale(Acquaintance(incarnation=known, expelled_ns=expelled_ns), incarnation, joined_ns) is stale
