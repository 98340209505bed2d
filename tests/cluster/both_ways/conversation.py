"""A conversation of a client with a server, how it ends wherever it is held, and what was met when it was held."""

import itertools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal, Protocol

import msgspec

from tests.cluster.both_ways.entrances import Entrance, Family

CONTENT: Final = bytes(range(256)) * 400 + b"\r\n\n\r"
HALF: Final = CONTENT[:50_000]
WRONG: Final = "not the password"
REFUSED: Final = "x" * 300
"""A name that is longer than a disk takes."""

SEEDS: Final[Mapping[str, bytes]] = {
    "there.rnx": CONTENT,
    "half.rnx": HALF,
    "old.rnx": b"old",
    "doomed.rnx": b"doomed",
    "sub/a.rnx": b"a",
    "sub/b.rnx": b"bb",
}
"""What stands in the folder of a client before it comes."""

OWN: Final[Mapping[str, bytes]] = {"up.rnx": CONTENT, "part.rnx": HALF, "tree/in/up.rnx": CONTENT}
"""What the client has itself."""


class Way(msgspec.Struct, frozen=True):
    """How a client comes, and how its data connections are made."""

    family: Family
    tls: Literal["plain", "explicit", "implicit"]
    mode: Literal["passive", "active"]

    def __str__(self) -> str:
        return f"{self.family}-{self.tls}-{self.mode}"


WAYS: Final = tuple(
    Way(*way) for way in itertools.product(("IPv4", "IPv6"), ("plain", "explicit", "implicit"), ("passive", "active"))
)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a conversation is held: the client's own directory, and its folder behind an entrance."""

    here: Path
    entrance: Entrance
    folder: str
    way: Way
    password: str

    @property
    def port(self) -> int:
        return self.entrance.implicit_port if self.way.tls == "implicit" else self.entrance.port

    @property
    def url(self) -> str:
        scheme = "ftps" if self.way.tls == "implicit" else "ftp"
        return f"{scheme}://station:{self.password.replace(' ', '%20')}@{self.entrance.host}:{self.port}/{self.folder}"


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """What a client is told to do, and how that ends.

    `words` are the client's own, of one invocation. `shows` are texts in what it writes then; `gets` is what it has in
    `down.rnx` or `part.rnx` then; `leaves` is what stands in the folder (None: nothing of that name). Where it
    `needs_data`, each way to make data connections makes it another conversation. `in_order`: not so where the client
    has two control connections.
    """

    words: tuple[str, ...]
    status: int = 0
    shows: tuple[str, ...] = ()
    gets: Mapping[str, bytes] = {}
    leaves: Mapping[str, bytes | None] = {}
    needs_data: bool = True
    password: str | None = None
    in_order: bool = True


class Met(msgspec.Struct, frozen=True):
    """What was met: the client's exit status, the verbs it said and the codes it heard."""

    status: int
    said: tuple[str, ...]


class Client(Protocol):
    """A client of FTP."""

    name: str
    conversations: Mapping[str, Conversation]

    def ways(self) -> Iterable[Way]:
        """The ways that it can come."""
        ...

    def hold(self, words: tuple[str, ...], place: Place) -> tuple[int, str]:
        """Hold a conversation: its exit status, and what it wrote of it."""
        ...

    def said(self, shown: str) -> Iterable[str]:
        """The verbs and codes in what it wrote."""
        ...


def hold(client: Client, conversation: Conversation, place: Place) -> Met:
    """Hold it, and find it ended as it must."""
    for name, content in OWN.items():
        (place.here / name).parent.mkdir(parents=True, exist_ok=True)
        (place.here / name).write_bytes(content)
    given = place if conversation.password is None else msgspec.structs.replace(place, password=conversation.password)
    status, shown = client.hold(conversation.words, given)
    assert status == conversation.status, shown
    for text in conversation.shows:
        assert text in shown, shown
    for name, content in conversation.gets.items():
        assert (place.here / name).read_bytes() == content, shown
    root = place.entrance.root / "Station" / place.folder
    for name, left in conversation.leaves.items():
        there = root / name
        assert (there.read_bytes() if there.is_file() else b"" if there.is_dir() else None) == left, (name, shown)
    said = [_told(one, place.way) for one in client.said(shown)]
    return Met(status, tuple(said if conversation.in_order else sorted(said)))


def _told(one: str, way: Way) -> str:
    """Passive: 125 and 150 are one, for whether the connection or the command comes first is for the network to say."""
    return "1yz" if way.mode == "passive" and one in {"125", "150"} else one.upper()


def found_in(shown: str, pattern: "re.Pattern[str]") -> list[str]:
    """What the only group of `pattern` matches."""
    return [found[1] for found in pattern.finditer(shown)]
