"""The story of a path from what the nodes know: told as a whole, whoever answers."""

from cluster.explained import Explained, Loser, Moment, Standing, Version
from compose.path_story import story

T = 1_800_000_000 * 10**9
NEW = Version(node="n1", replica="n1:1", sequence=7, stamp_ns=T, kind="file", account="station", content_id="ab" * 32,
              size_bytes=2_500_000, vector={"n1:1": 7, "n2:1": 3})  # fmt: skip
OLD = Version(
    node="n2", replica="n2:1", sequence=4, stamp_ns=T - 10**9, kind="file", content_id="cd" * 32, size_bytes=9
)
HERE = Standing(kind="file", content_id="ab" * 32)


def told(silent=(), **known):
    return "\n".join(story("Station/x", known, silent))


def test_who_wrote_it_who_holds_it_and_who_does_not_answer():
    written = Moment(T, "written", "n1", 7, "file", "ab" * 32, 2_500_000, "station")
    one = Explained(node="n1", path="Station/x", versions=(NEW,), why=("it is the only one",), here=HERE, holds=True,
                    told_holders=("n3",), history=(written,))  # fmt: skip
    two = Explained(node="n2", path="Station/x", versions=(NEW,), waits="its content is still to be fetched: no peer")
    text = told(n1=one, n2=two, silent=("n3",))
    assert "change 7 of n1 by station, 2027-01-15 08:00:00.000 UTC: a file of 2.5 MB" in text
    assert "its maker had seen n2 up to change 3" in text
    assert "why: it is the only one" in text
    assert "n1 has it\n" in text
    assert "n2: its content is still to be fetched: no peer" in text
    assert "n3 does not answer; it has told n1 that it holds all up to this" in text
    assert "n1: file of 2.5 MB, abababababab written by station (change 7 of n1)" in text


def test_a_conflict_says_where_the_loser_is_kept_and_who_has_not_heard():
    lost = Loser(content_id="cd" * 32, node="n2", stamp_ns=T - 10**9, size_bytes=9, file=".tripod/conflicts/cd-x")
    one = Explained(node="n1", path="x", versions=(NEW, OLD), why=("n2's change is older",), here=HERE, holds=True)
    two = Explained(node="n2", path="x", versions=(OLD,), here=HERE, holds=True, losers=(lost,))
    text = told(n1=one, n2=two)
    assert "n2 knows other versions: change 4 of n2" in text
    assert "conflict: 9 B from n2" in text
    assert "kept as n2: .tripod/conflicts/cd-x" in text


def test_a_path_that_nobody_knows_is_said_to_be_so():
    assert "no node that answers knows it" in told(n1=Explained(node="n1", path="x"))
