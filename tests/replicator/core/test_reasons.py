"""Why a path shows what it shows, in words: each rule of the winner is told of the heads that it decided between."""

import pytest

from replicator.core.head import Dot, Head, Kind
from replicator.core.reasons import reasons

S = 10**9


def head(node, stamp_ns, kind=Kind.FILE, content="x"):
    dot = Dot(f"{node}:1", 1)
    return Head(dot=dot, vector={dot.replica: 1}, stamp_ns=stamp_ns, kind=kind, content_id=content)


@pytest.mark.parametrize(
    ("heads", "said"),
    [
        ((), ["nothing is known"]),
        ((head("a", 1),), ["the only version"]),
        (
            (head("a", 5 * S), head("b", 3 * S, content="y")),
            ["b's change 1 is another file", "2.000 s earlier", "kept"],
        ),
        ((head("a", 9000 * S), head("b", 0, content="y")), ["before anybody's memory"]),
        ((head("a", 9000 * S), head("b", S, content="y")), ["2 hours earlier"]),
        ((head("a", 5 * S), head("b", 5 * S, content="y")), ["a's change", "same moment", "(b)"]),
        ((head("a", 5 * S), head("b", 3 * S)), ["same content", "no conflict"]),
        ((head("a", 3 * S), head("b", 5 * S, Kind.TOMBSTONE, "")), ["b's", "beats a deletion"]),
        ((head("a", 3 * S, Kind.DIRECTORY, ""), head("b", 5 * S)), ["b's", "a directory comes first", "kept"]),
        ((head("a", 9 * S, Kind.TOMBSTONE, ""), head("b", 5 * S, Kind.TOMBSTONE, "")), ["deletes it too", "4.000 s"]),
        (
            (head("a", 9 * S), head("b", 5 * S, content="y"), head("c", 99 * S, Kind.TOMBSTONE, "")),
            ["b's", "c's", "another file", "deletes it without"],
        ),
    ],
)
def test_the_rule_that_decided_is_told(heads, said):
    told = " | ".join(reasons(heads))
    for words in said:
        assert words in told


def test_every_other_version_is_told_of():
    heads = tuple(head(name, stamp * S, content=name) for stamp, name in enumerate("abcde", start=1))
    assert len(reasons(heads)) == 4
