"""What an upload may supersede: all that was known when it was asked for, and never a file that nobody had seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.core.head import Dot, Head, Kind, merged, replaceable, supersedes, unseen


def head(replica, sequence, content, **saw):
    kind = Kind.FILE if content else Kind.TOMBSTONE
    return Head(dot=Dot(replica, sequence), vector=saw, stamp_ns=sequence, kind=kind, content_id=content)


OLD = head("a", 1, "old")


@pytest.mark.parametrize(
    ("heads", "asked", "vector"),
    [
        ((), (), {}),
        ((OLD,), (OLD,), {"a": 1}),
        ((OLD,), (), {}),
        ((head("b", 3, "new", a=1),), (OLD,), {"a": 1}),
        ((OLD, head("b", 3, "new")), (OLD,), {"a": 1}),
        ((head("b", 3, "old", a=1),), (OLD,), {"a": 1, "b": 3}),
        ((head("b", 3, "mine", a=1),), (OLD,), {"a": 1, "b": 3}),
        ((head("b", 3, "", a=1),), (OLD,), {"a": 1, "b": 3}),
        ((head("b", 3, "new"), head("b", 5, "mine")), (), {"b": 2}),
    ],
    ids=[
        "nothing is there",
        "what was known",
        "what nobody knew",
        "what replaced it unseen",
        "what was made beside it unseen",
        "the same content once more",
        "its own content",
        "a removal",
        "two of one node, one of them unseen",
    ],
)
def test_what_may_be_superseded(heads, asked, vector):
    assert replaceable(heads, asked, "mine") == vector


contents = st.sampled_from(["old", "new", "other", "mine", ""])
some_heads = st.lists(st.builds(head, st.sampled_from("abc"), st.integers(1, 9), contents), max_size=5)


@given(some_heads, some_heads)
def test_no_file_that_nobody_had_seen_is_superseded(heads, asked):
    heads, asked = merged(heads, ()), merged(asked, ())
    mine = Head(dot=Dot("me", 1), vector=replaceable(heads, asked, "mine"), stamp_ns=99, kind=Kind.FILE)
    assert not any(supersedes(mine, other) for other in unseen(heads, asked, "mine"))
