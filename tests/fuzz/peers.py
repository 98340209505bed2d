"""Properties of the peer wire: its decoder, the door that peers come in by, and the link that this node dials.

For the decoder the bytes are what came; for the other two they are choices: which message comes next, how it is
twisted, and what this node itself asks meanwhile. The replica is a real one, on a disk of its own for each input.
"""

import asyncio
import contextlib
import re
import shutil
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from cluster.clock import now_ns
from cluster.content_id import content_id_of
from cluster.frame import FrameReader, FrameTooLongError, frame
from cluster.replication_settings import Replication
from cluster.tree_path import complaint
from replicator.core.belief import disbelief
from replicator.measures import Measures
from replicator.not_yet import NotYetError
from replicator.peers.comparison import Comparison, digests_of
from replicator.peers.connection import LOST
from replicator.peers.door import PeerDoor
from replicator.peers.link import PeerLink, PeerSite
from replicator.peers.propagation import Propagation
from replicator.peers.spreading import Spreading
from replicator.peers.wire import PROTOCOL, Commit, Entry, Hello, Index, Welcome, decode, encode
from replicator.transfers.fetching import Fetching
from replicator.transfers.intake import Intake
from replicator.transfers.preparing import Offer
from replicator.watching.scrub import Scrub
from replicator.worker import Worker
from tests.kit.hostile_peer import CONTENT, CONTENT_ID, Wire, answering, asking, payload
from tests.kit.replica import OpenReplica, remote_head

_SETTINGS: Final = Replication(
    disk_reserve_bytes=0, lease_s=1.0, prepare_timeout_s=0.05, reconnect_s=0.01, delta_above_bytes=1
)
_STAGED: Final = re.compile(r"(peer|part)-[0-9a-f]{64}(-\w+)?|(arriving|publishing)-\w+|cut-[0-9a-f]{32}(\.about)?")
_SITE: Final = PeerSite("test", "here", "127.0.0.1", "there", "127.0.0.1", 1)
_OTHER: Final = b"other content"
_MOST_MESSAGES: Final = 8
_REST_S: Final = 0.002
_LONG_S: Final = 20.0
_MEMORY: Final = Path("/dev/shm")


class Choices:
    """Chance that bytes make: what a fuzzer can steer. When they are used up, always the first choice."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_over(self) -> bool:
        """Whether they are used up."""
        return self._at >= len(self._data)

    def randrange(self, count: int) -> int:
        """One of so many, up to 256."""
        self._at += 1
        return self._data[self._at - 1] % count if self._at <= len(self._data) else 0

    def randint(self, least: int, most: int) -> int:
        """From `least` to `most`."""
        return least + self.randrange(most - least + 1)

    def choice(self, among):
        """One of them."""
        return among[self.randrange(len(among))]

    def random(self) -> float:
        """From 0 to 1."""
        return self.randrange(256) / 256


def peer_wire(data: bytes) -> None:
    """Bytes at a replicator: frames, however they come; messages, or refused by name; what is believed can be kept."""
    whole = _payloads([data])
    assert whole == _payloads([data[at : at + 1] for at in range(len(data))])
    for each in whole if whole is not None else [data]:
        _message(each)
    _message(data)


def _payloads(pieces: list[bytes]) -> list[bytes] | None:
    reader, found = FrameReader(), []
    try:
        for piece in pieces:
            found += reader.feed(piece)
    except FrameTooLongError:
        return None
    return found


def _message(data: bytes) -> None:
    try:
        message = decode(data)
    except msgspec.MsgspecError:
        return
    assert _payloads([frame(encode(message))]) == [encode(message)]
    again = decode(encode(message))
    assert repr(again) == repr(message)  # not by ==, for NaN
    if isinstance(message, Index | Commit):
        for entry in message.entries:
            if disbelief(entry.path, entry.heads, now_ns()) is None:
                assert complaint(entry.path) is None
                assert all(0 <= head.size_bytes < 1 << 63 and head.stamp_ns >= 0 for head in entry.heads)


def peer_door(data: bytes) -> None:
    """Whatever a dialler with a right certificate says: nothing leaves the root, and only its connection ends."""
    asyncio.run(_in_a_root(_at_the_door, Choices(data), standing=CONTENT))


async def _at_the_door(here, choices: Choices) -> None:
    door = PeerDoor("test", "here", frozenset({"there"}), here, _SETTINGS)
    door.spreading = Spreading(here.index, frozenset({"here", "there"}))
    links = [PeerLink(_SITE, here.index, _nobody_there, _SETTINGS)]
    measures = Measures()
    worker = Worker(here, Intake(here, links, _SETTINGS), door.progressed)
    here.wake = worker.wake
    door.take_canary = Propagation(here, links, worker, measures, _SETTINGS).take
    scrub = Scrub(here, measures, _SETTINGS)
    door.on_doubt = scrub.doubt
    working = asyncio.create_task(worker.run())
    hello = encode(Hello(cluster="test", node="there", incarnation="1", protocol=PROTOCOL))
    said = [hello]
    while not choices.is_over and len(said) <= _MOST_MESSAGES:
        said.append(payload(asking(choices), choices))
    wire = Wire(said, rest_s=_REST_S)
    await asyncio.wait_for(door.answer(wire), _LONG_S)
    assert wire.closed
    await door.stop()
    assert not working.done()
    working.cancel()
    await asyncio.wait([working])
    scrub.close()


def peer_link(data: bytes) -> None:
    """Whatever an answerer with a right certificate says to what this node asks: as at the door."""
    asyncio.run(_in_a_root(_dialling, Choices(data), standing=_OTHER))


class _Answerer(Wire):
    """Answers what it is asked, under the numbers that were used, as the choices say."""

    def __init__(self, choices: Choices) -> None:
        super().__init__([encode(Welcome(node="there", incarnation="1", seen=0, held=0))], rest_s=_REST_S)
        self._choices = choices
        self._left = _MOST_MESSAGES

    async def receive(self):
        await asyncio.sleep(0)
        if not self._payloads and self._left and not self._choices.is_over:
            self._left -= 1
            numbers = [message.number for message in self.sent if hasattr(message, "number")] or [1]
            answer = answering(self._choices, self._choices.choice(numbers[-256:]))
            self._payloads.append(payload(answer, self._choices))
        return await super().receive()


async def _dialling(here, choices: Choices) -> None:
    answerer = _Answerer(choices)

    async def dial(_site):
        if answerer.closed:
            raise ConnectionRefusedError
        return answerer

    link, met = PeerLink(_SITE, here.index, dial, _SETTINGS), asyncio.Event()
    link.on_change = met.set
    door = PeerDoor("test", "here", frozenset({"there"}), here, _SETTINGS)
    fetching = Fetching([link], here, door.outlines, _SETTINGS)
    intake = Intake(here, [link], _SETTINGS)
    comparison = Comparison(here.index, [link], Measures(), lambda _peer: True)
    head = remote_head(CONTENT)
    offer = Offer(content_id_of(_OTHER), len(_OTHER), here.tree.root / "old")
    work = {
        "fetch": lambda: fetching.fetch("old", CONTENT_ID, len(CONTENT)),
        "small": lambda: intake.settle(["x"]),
        "compare": lambda: _compared(comparison, link, here.index),
        "prepare": lambda: link.prepare("x", offer, 0.05),
        "commit": lambda: link.commit((Entry("x", (head,)),), 0.05),
    }
    wanted = choices.choice(tuple(work))
    if wanted == "small":
        here.hear("x", (head,))
    running = asyncio.create_task(link.run())
    try:
        await asyncio.wait_for(met.wait(), _LONG_S)
        with contextlib.suppress(*LOST, NotYetError):
            done = await asyncio.wait_for(work[wanted](), _LONG_S)
            if wanted == "fetch":
                assert done.file.read_bytes() == CONTENT
        if wanted == "small" and here.index.place("x").row is not None:
            assert (here.tree.root / "x").read_bytes() == CONTENT
    finally:
        link.give_up()
        running.cancel()
        await asyncio.wait([running])
    assert running.cancelled() or running.exception() is None


def _names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


async def _compared(comparison: Comparison, link: PeerLink, index) -> None:
    """A comparison that does not wait until the peer has all news."""
    await comparison._compare(link, await digests_of(index, now_ns()))


async def _nobody_there(_site):
    raise ConnectionRefusedError


async def _in_a_root(act, choices: Choices, standing: bytes) -> None:
    """Let it act on a new replica, and see that all is inside the root, and as it may be."""
    folder = Path(tempfile.mkdtemp(prefix="tripod-fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None))
    try:
        (folder / "here").mkdir()
        outside = [folder / "outside", folder / "here/outside"]
        for file in outside:
            file.write_bytes(b"not yours")
        async with OpenReplica(folder / "here") as here:
            (here.tree.root / "old").write_bytes(standing)
            await here.rescan("old")
            mark = (here.tree.root / ".tripod/marker").read_bytes()
            await act(here, choices)
            assert (here.tree.root / ".tripod/marker").read_bytes() == mark
            for path in here.index.places:
                assert complaint(path) is None
            for file in here.tree.root.rglob("*"):
                path = file.relative_to(here.tree.root).as_posix()
                assert path.startswith(".tripod") or complaint(path) is None
                assert not file.is_symlink()
                if file.is_file() and not path.startswith(".tripod"):
                    assert file.read_bytes() in {CONTENT, _OTHER}
            for file in here.staging.folder.iterdir():
                assert _STAGED.fullmatch(file.name), file.name
        assert [file.read_bytes() for file in outside] == [b"not yours"] * 2
        assert _names(folder) == {"here", "outside"}
    finally:
        shutil.rmtree(folder)
