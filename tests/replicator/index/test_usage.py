"""The sums below every folder are those of the tree, whatever happened, and after every start."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.publish import MakeDirectory, Remove, Rename
from cluster.quota import Usage
from replicator.core.head import Kind, winner
from replicator.core.hybrid_clock import Clock
from replicator.core.place import Found, Heard, Place, Row, Written, step
from replicator.index.usage import Usages
from tests.kit.replica import OpenReplica, remote_head
from tests.replicator.publish.test_publishing import desk

FOLDERS = ("", "a", "a/b", "ab", "a/b/c")
PATHS = ("a", "a/b", "a/b/c", "a/b/x", "a/x", "ab", "ab/x", "x")


def summed(places, folder):
    """The plain sum over all places, which nobody would want to pay at every upload."""
    heads = [winner(place.heads) for path, place in places.items() if folder == "" or path.startswith(f"{folder}/")]
    live = [head for head in heads if head is not None and head.is_live]
    return Usage(sum(head.size_bytes for head in live), len(live))


rows = st.none() | st.builds(
    Row,
    kind=st.sampled_from([Kind.FILE, Kind.DIRECTORY]),
    content_id=st.sampled_from("pq"),
    size_bytes=st.integers(0, 9),
    mtime_ns=st.integers(0, 2),
)
events = st.one_of(
    st.builds(Written, row=rows, now_ns=st.integers(1, 9)),
    st.builds(Found, row=rows, now_ns=st.integers(1, 9), deleted=st.booleans(), imported=st.booleans()),
    st.builds(
        lambda content, sequence, stamp_ns: Heard(heads=(remote_head(content, sequence, stamp_ns),)),
        st.none() | st.binary(max_size=9),
        st.integers(1, 5),
        st.integers(1, 9),
    ),
)


@settings(max_examples=300)
@given(history=st.lists(st.tuples(st.sampled_from(PATHS), events), max_size=30))
def test_the_sums_kept_are_the_sums_counted_after_any_history(history):
    places, clock, usages = {}, Clock("here:1"), Usages()
    for path, event in history:
        before = places.get(path, Place())
        after, clock = step(before, clock, event)
        usages.take(path, before)
        usages.add(path, after)
        places[path] = after
        for folder in FOLDERS:
            assert usages.below(folder) == summed(places, folder)
    assert set(usages._entries) == {folder for folder in (*FOLDERS, *PATHS) if summed(places, folder).entries}


def on_disk(root, folder):
    """What the disk itself shows below a folder."""
    found = [path for path in (root / folder).rglob("*") if path.relative_to(root).parts[0] != ".tripod"]
    return Usage(sum(path.stat().st_size for path in found if path.is_file()), len(found))


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", range(5))
async def test_the_sums_are_those_of_the_disk_after_random_changes_and_after_a_restart(tmp_path, seed):
    chance = random.Random(seed)
    names = [*(f"{folder}/{name}".strip("/") for folder in FOLDERS for name in "xy")]
    async with desk(tmp_path) as here:
        for _ in range(60):
            one, other = chance.sample([*names, *FOLDERS[1:]], 2)
            match chance.randrange(6):
                case 0 | 1 | 2:
                    await here.upload(one, bytes(chance.randrange(50)))
                case 3:
                    await here.ask(MakeDirectory(id=1, path=one))
                case 4:
                    await here.ask(Remove(id=1, path=one, kind=chance.choice(["file", "directory"])))
                case _:
                    await here.ask(Rename(id=1, source=one, target=other, replace=chance.random() < 0.5))
            for folder in FOLDERS:
                assert here.replica.index.usages.below(folder) == on_disk(here.root, folder)
        shown = {folder: here.replica.index.usages.below(folder) for folder in FOLDERS}
        assert shown[""].entries > 0
    async with OpenReplica(tmp_path) as again:
        assert {folder: again.index.usages.below(folder) for folder in FOLDERS} == shown
