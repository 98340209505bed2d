"""Digests of folders: alike where the same versions are known, however learned; different where anything differs."""

import random

from hypothesis import given
from hypothesis import strategies as st

from replicator.core.digests import Digests
from replicator.core.head import Dot, Head, Kind

PATHS = ("a", "d/x", "d/y", "d/e/z", "d")


def head(node, sequence, kind=Kind.FILE, stamp_ns=5):
    dot = Dot(f"{node}:1", sequence)
    return Head(dot=dot, vector={dot.replica: sequence}, stamp_ns=stamp_ns, kind=kind, content_id="c")


def digests(entries, before_ns=100):
    found = Digests(before_ns)
    for path, heads in entries:
        found.add(path, heads)
    return found


VERSIONS = st.builds(head, st.sampled_from("nm"), st.integers(1, 3), st.sampled_from(Kind), st.sampled_from((5, 200)))
INDEXES = st.dictionaries(st.sampled_from(PATHS), st.tuples(VERSIONS))


@given(INDEXES, st.integers(0, 99))
def test_the_order_of_news_does_not_matter(index, seed):
    shuffled = list(index.items())
    random.Random(seed).shuffle(shuffled)
    one, other = digests(index.items()), digests(shuffled)
    for folder in ("", "d", "d/e"):
        assert (one.own(folder), one.below(folder)) == (other.own(folder), other.below(folder))
        assert one.folders([folder]) == other.folders([folder])


@given(INDEXES, INDEXES)
def test_what_differs_differs_in_every_folder_above_and_nowhere_else(mine, theirs):
    def counts(index):
        return {p: h for p, h in index.items() if h[0].is_live and h[0].stamp_ns < 100}

    one, other = digests(mine.items()), digests(theirs.items())
    for folder in ("", "d", "d/e"):
        below = [path for path in PATHS if folder == "" or path.startswith(f"{folder}/")]
        alike = all(counts(mine).get(path) == counts(theirs).get(path) for path in below)
        assert (one.below(folder) == other.below(folder)) is alike


def test_only_folders_that_have_something_are_walked_into():
    found = digests([("d/e/z", (head("n", 1),)), ("t/u", (head("n", 2, Kind.TOMBSTONE),)), ("a", (head("n", 3),))])
    assert found.folders([""]) == ["d"]
    assert found.folders(["d"]) == ["d/e"]
    assert found.own("d") == found.own("nowhere") == bytes(16)
    assert found.own("d/e") != bytes(16)
