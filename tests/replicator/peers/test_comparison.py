"""What a peer does not know although it was told: a comparison finds the folder, and its entries are told anew."""

import asyncio

import pytest

from cluster.clock import now_ns
from replicator.core.hybrid_clock import MAX_DRIFT_NS
from replicator.measures import Measures
from replicator.peers.comparison import Comparing, Comparison, digests_of
from replicator.peers.wire import Compare, Compared, FolderDigest
from tests.kit.replica import OpenReplica, remote_head

pytestmark = pytest.mark.asyncio
FAR_NS = 1 << 62


class Line:
    """Both ends of a connection without a network: the dialler's questions are answered by the other's index."""

    name, connected = "there", True
    looked = staticmethod(lambda: None)

    def __init__(self, here, there):
        self.heard_upto = here.index.clock.sequence
        self.told, self.asked = [], 0
        self._there = there
        self._comparing = Comparing(there.index, self)
        self.number = 1

    def exchange(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    async def send(self, message):
        if isinstance(message, Compare):
            self.asked += 1
            await self._comparing.answer(message)
            self.looked()
        else:
            self.came = message

    async def answer(self, _timeout_s):
        return self.came

    async def tell(self, message):
        assert (message.upto, message.complete) == (0, False)
        self.told += [entry.path for entry in message.entries]
        self._there.hear_all([(entry.path, entry.heads) for entry in message.entries])


def has_told(_peer):
    return True


async def two(folder):
    (folder / "here").mkdir()
    (folder / "there").mkdir()


def fill(replica, paths, sequence=1):
    for number, path in enumerate(paths):
        replica.hear(path, (remote_head(path.encode(), sequence=sequence + number, stamp_ns=1000),))


PATHS = ["a", "d/x", "d/y", "d/e/z", "t/u/v/w"]


async def compared(here, there, old_ns=0):
    await here.index.durable()
    line, measures = Line(here, there), Measures()
    comparison = Comparison(here.index, [line], measures, has_told)
    await comparison.run(old_ns, again_s=0)
    return line, comparison.outcomes["there"]


async def test_alike_is_one_question_and_nothing_told(tmp_path):
    await two(tmp_path)
    async with OpenReplica(tmp_path / "here") as here, OpenReplica(tmp_path / "there") as there:
        fill(here, PATHS)
        fill(there, PATHS)
        line, outcome = await compared(here, there)
        assert (line.asked, line.told, outcome.folders) == (1, [], 0)


@pytest.mark.parametrize("lost", PATHS)
async def test_a_row_that_was_lost_comes_back_with_its_folder_alone(tmp_path, lost):
    await two(tmp_path)
    async with OpenReplica(tmp_path / "here") as here, OpenReplica(tmp_path / "there") as there:
        fill(here, PATHS)
        for number, path in enumerate(PATHS):
            if path != lost:
                there.hear(path, (remote_head(path.encode(), sequence=1 + number, stamp_ns=1000),))
        line, outcome = await compared(here, there)
        folder = lost.rpartition("/")[0]
        assert line.told == [path for path in PATHS if path.rpartition("/")[0] == folder]
        assert (outcome.folders, outcome.entries) == (1, len(line.told))
        assert there.index.place(lost).heads == here.index.place(lost).heads
        assert (await compared(here, there))[0].told == []


async def test_what_is_new_and_what_is_deleted_is_left_out(tmp_path):
    await two(tmp_path)
    async with OpenReplica(tmp_path / "here") as here, OpenReplica(tmp_path / "there") as there:
        here.hear("gone", (remote_head(None, sequence=7, stamp_ns=1000),))
        here.hear("new", (remote_head(b"new", sequence=8, stamp_ns=now_ns() + MAX_DRIFT_NS),))
        line, _ = await compared(here, there)
        assert line.told == []


async def test_what_differs_for_a_moment_is_neither_told_nor_counted(tmp_path):
    """The peer had this change already when it looked, and this node hears of it a moment later."""
    await two(tmp_path)
    async with OpenReplica(tmp_path / "here") as here, OpenReplica(tmp_path / "there") as there:
        fill(here, PATHS)
        fill(there, PATHS)
        changed = (remote_head(b"changed", sequence=9, stamp_ns=2000, saw={"there:1": 1}),)
        there.hear("a", changed)
        await here.index.durable()
        line = Line(here, there)
        line.looked = lambda: here.hear("a", changed)
        comparison = Comparison(here.index, [line], Measures(), has_told)
        await comparison.run(old_ns=0, again_s=0)
        assert line.asked > 1
        assert (line.told, comparison.outcomes["there"].folders) == ([], 0)


async def test_a_peer_that_has_not_told_its_own_news_is_left_alone(tmp_path):
    await two(tmp_path)
    async with OpenReplica(tmp_path / "here") as here, OpenReplica(tmp_path / "there") as there:
        fill(here, PATHS)
        await here.index.durable()
        line = Line(here, there)
        comparison = Comparison(here.index, [line], Measures(), lambda peer: peer != "there")
        running = asyncio.create_task(comparison.run())
        await asyncio.sleep(0.01)
        line.connected = False
        await running
        assert (line.asked, comparison.outcomes) == (0, {})


async def test_what_patterns_exclude_is_no_difference_and_is_not_told(tmp_path):
    await two(tmp_path)
    async with OpenReplica(tmp_path / "here") as here, OpenReplica(tmp_path / "there") as there:
        fill(here, ["a.tmp", "b"])
        for replica in (here, there):
            replica.index.excludes = lambda path: path.endswith(".tmp")
        line, _ = await compared(here, there)
        assert line.told == ["b"]


async def test_a_peer_that_has_not_heard_all_news_is_left_alone(tmp_path):
    await two(tmp_path)
    async with OpenReplica(tmp_path / "here") as here, OpenReplica(tmp_path / "there") as there:
        fill(here, PATHS)
        await here.index.durable()
        line = Line(here, there)
        line.heard_upto -= 1
        comparison = Comparison(here.index, [line], Measures(), has_told)
        running = asyncio.create_task(comparison.run())
        await asyncio.sleep(0.01)
        assert line.asked == 0
        line.connected = False
        await running
        assert (line.asked, comparison.outcomes) == (0, {})


async def test_the_answer_names_own_and_below_apart(tmp_path):
    async with OpenReplica(tmp_path) as here:
        fill(here, ["d/e/z"])
        digests = await digests_of(here.index, FAR_NS)
        sent = []

        class End:
            async def send(self, message):
                sent.append(message)

        zeros = bytes(16)
        asked = (
            FolderDigest("", digests.own(""), zeros),
            FolderDigest("d", zeros, zeros),
            FolderDigest("d/e", digests.own("d/e"), digests.below("d/e")),
            FolderDigest("nowhere", zeros, zeros),
        )
        await Comparing(here.index, End()).answer(Compare(number=3, before_ns=FAR_NS, folders=asked))
        assert sent == [Compared(number=3, own=(), below=("", "d"))]
