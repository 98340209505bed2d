"""The groups of live paths that are one name on Windows follow every change of every path."""

from hypothesis import given
from hypothesis import strategies as st

from replicator.core.names import likeness
from replicator.index.namesakes import Namesakes

NAMES = ("a", "A", "a.", "b", "B", "d/a", "D/a", "D/A", "é", "É", "e\u0301")


def grouped(live):
    groups = {}
    for path in live:
        groups.setdefault(likeness(path), set()).add(path)
    return {tuple(sorted(group)) for group in groups.values() if len(group) > 1}


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.booleans())))
def test_they_are_what_a_count_of_all_would_find(changes):
    namesakes, live = Namesakes(), set()
    for path, lives in changes:
        namesakes.follow(path, was_live=path in live, is_live=lives)
        (live.add if lives else live.discard)(path)
        assert set(namesakes.groups(99)) == grouped(live)
        assert namesakes.count == len(grouped(live))
        for name in NAMES:
            assert namesakes.of(name) == sorted(each for each in live - {name} if likeness(each) == likeness(name))


def test_the_notice_names_the_first_two():
    namesakes = Namesakes()
    assert namesakes.notices() == ()
    for path in ("x", "X", "Y", "y"):
        namesakes.follow(path, was_live=False, is_live=True)
    (notice,) = namesakes.notices()
    assert notice.startswith("2 names")
    assert "'X' and 'x'" in notice
