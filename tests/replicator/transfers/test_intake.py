"""Many small files of the peers become what they would have become one by one, whatever a peer answers."""

import contextlib
from types import SimpleNamespace

import pytest

from cluster.content_id import content_id_of
from cluster.replication_settings import Replication
from replicator.disk.tree import Tree
from replicator.not_yet import NotYetError
from replicator.peers.connection import PeerError
from replicator.peers.wire import Data, Small
from replicator.transfers.intake import Intake
from tests.kit.publish_client import tree
from tests.kit.replica import OpenReplica, remote_head

pytestmark = pytest.mark.asyncio
NAMES = [f"d/f{number}" for number in range(40)]


class Giver:
    """A peer that has these contents, gives a few at a time, and says of one what `says` says."""

    def __init__(self, contents, at_once=7, says=None) -> None:
        self.name, self.connected, self.asked = "there", True, []
        self._contents = {content_id_of(content): content for content in contents}
        self._at_once, self._says = at_once, says

    @contextlib.contextmanager
    def exchange(self):
        async def send(message):
            self.asked.append(len(message.contents))
            self._found = [self._contents.get(content_id) for content_id in message.contents[: self._at_once]]

        async def answer(_timeout_s):
            return self._says or Small(number=1, contents=tuple(self._found))

        yield SimpleNamespace(number=1, send=send, answer=answer)


def heard(replica, names=NAMES):
    for number, name in enumerate(names):
        replica.hear(name, (remote_head(name.encode(), sequence=number + 1),))


def intake(replica, *givers):
    return Intake(replica, givers, Replication(disk_reserve_bytes=0))


def files(replica):
    return {path: content for path, content in tree(replica.tree.root).items() if content is not None}


async def test_all_of_them_are_there_after_a_few_questions(tmp_path):
    async with OpenReplica(tmp_path) as here:
        heard(here)
        giver = Giver(name.encode() for name in NAMES)
        await intake(here, giver).settle(NAMES)
        assert files(here) == {name: name.encode() for name in NAMES}
        assert giver.asked == [40, 33, 26, 19, 12, 5]
        assert not here.index.pending & set(NAMES)
        assert not here.index.intents
        assert list(here.tree.staging.iterdir()) == []


async def test_what_one_peer_has_not_comes_from_another(tmp_path):
    async with OpenReplica(tmp_path) as here:
        heard(here)
        first, second = Giver(name.encode() for name in NAMES[:11]), Giver(name.encode() for name in NAMES[9:])
        await intake(here, first, second).settle(NAMES)
        assert files(here) == {name: name.encode() for name in NAMES}
        assert second.asked[0] == 29


@pytest.mark.parametrize(
    "says",
    [
        Data(number=1),
        Small(number=1, contents=(None,) * 41),
        Small(number=1, contents=(b"another content",) * 7),
        Small(number=1, contents=(None,)),
    ],
)
async def test_a_peer_that_answers_nonsense_changes_nothing(tmp_path, says):
    async with OpenReplica(tmp_path) as here:
        heard(here)
        await intake(here, Giver([], says=says)).settle(NAMES)
        assert files(here) == {}
        assert set(NAMES) <= here.index.pending
        assert not here.index.intents


async def test_what_stands_in_the_way_is_left_to_be_looked_at(tmp_path):
    async with OpenReplica(tmp_path) as here:
        heard(here)
        (here.tree.root / "d").mkdir()
        (here.tree.root / "d/f3").write_bytes(b"mine")
        await intake(here, Giver((name.encode() for name in NAMES), 40)).settle(NAMES)
        assert files(here) == {name: name.encode() for name in NAMES} | {"d/f3": b"mine"}
        assert here.index.pending & set(NAMES) == {"d/f3"}
        assert list(here.tree.staging.iterdir()) == []
        await here.rescan("d/f3")
        assert {head.dot.node for head in here.index.place("d/f3").heads} == {"here", "there"}
        assert not here.index.intents


async def test_a_disk_that_fails_at_the_last_step_leaves_nothing_but_the_doubt(tmp_path):
    class Failing(Tree):
        def install_all(self, pieces):
            return [OSError(5, "Input/output error") for _ in pieces]

    async with OpenReplica(tmp_path, Failing) as here:
        heard(here)
        await intake(here, Giver((name.encode() for name in NAMES), 40)).settle(NAMES)
        assert files(here) == {}
        assert set(NAMES) <= here.index.pending
        assert list(here.tree.staging.iterdir()) == []
        for name in NAMES:
            await here.rescan(name)
        assert not here.index.intents


async def test_content_that_is_here_is_not_its_business(tmp_path):
    async with OpenReplica(tmp_path) as here:
        heard(here, ["x"])
        small = intake(here, Giver([b"x"]))
        assert small.suits("x")
        assert not small.suits("unknown")
        await small.settle(["x"])
        here.hear("y", (remote_head(b"x", sequence=20),))
        assert not small.suits("y")


async def test_a_full_disk_is_said_before_anything_is_asked(tmp_path):
    async with OpenReplica(tmp_path) as here:
        heard(here)
        giver = Giver(name.encode() for name in NAMES)
        with pytest.raises(NotYetError, match="full"):
            await Intake(here, [giver], Replication(disk_reserve_bytes=1 << 60)).settle(NAMES)
        assert giver.asked == []


async def test_a_peer_that_is_lost_meanwhile_is_no_error(tmp_path):
    class Lost(Giver):
        @contextlib.contextmanager
        def exchange(self):
            raise PeerError("gone")
            yield

    async with OpenReplica(tmp_path) as here:
        heard(here)
        await intake(here, Lost([]), Giver(name.encode() for name in NAMES)).settle(NAMES)
        assert len(files(here)) == 40
