"""A directory supersedes no file: whoever made the file, and however many directories come and go before."""

from hypothesis import given
from hypothesis import strategies as st

from replicator.core.head import Kind, losers, supersedes, winner
from replicator.core.hybrid_clock import Clock
from replicator.core.place import Heard, Place, Row, Written, step

NODES = 3
FILE, FOLDER, NOTHING = "file", "folder", "nothing"
_WRITES = st.tuples(st.integers(0, NODES - 1), st.sampled_from((FILE, FOLDER, NOTHING)))
_NEWS = st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1))
_LIVES = st.lists(st.one_of(_WRITES, _NEWS), max_size=25)


def row_of(what, number):
    if what == NOTHING:
        return None
    kind = Kind.FILE if what == FILE else Kind.DIRECTORY
    return Row(kind=kind, content_id=str(number) if what == FILE else "")


def dots_of_files(heads):
    return {head.dot for head in heads if head.kind is Kind.FILE}


@given(_LIVES)
def test_a_directory_supersedes_no_file(life):
    places, clocks = [Place()] * NODES, [Clock(f"n{number}:1") for number in range(NODES)]
    for number, (node, what) in enumerate(life):
        event = (
            Heard(heads=places[what].heads)
            if isinstance(what, int)
            else Written(row=row_of(what, number), now_ns=number)
        )
        before = places[node]
        places[node], clocks[node] = step(before, clocks[node], event)
        after = places[node].heads
        if what == FOLDER:
            assert winner(after).kind is Kind.DIRECTORY
            assert dots_of_files(before.heads) <= dots_of_files(after)
        elif not isinstance(what, int):
            assert len(after) == 1, "a file and a tombstone supersede all that is known"
        assert not any(supersedes(newer, older) for newer in after for older in after)


def test_a_file_of_the_same_node_loses_to_its_directory_and_stays_known():
    place, clock = step(Place(), Clock("n:1"), Written(row=row_of(FILE, 1), now_ns=1))
    place, clock = step(place, clock, Written(row=row_of(FOLDER, 2), now_ns=2))
    assert [head.content_id for head in losers(place.heads)] == ["1"]
    place, _ = step(place, clock, Written(row=row_of(NOTHING, 3), now_ns=3))
    assert [head.kind for head in place.heads] == [Kind.TOMBSTONE]


def test_a_directory_that_is_shown_is_not_made_again():
    place, clock = step(Place(), Clock("n:1"), Written(row=row_of(FOLDER, 1), now_ns=1))
    assert step(place, clock, Written(row=row_of(FOLDER, 2), now_ns=2)) == (place, clock)
