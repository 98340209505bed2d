"""Holds the places of a replica by path, as small as it can: encoded, as they stand in the database, and compressed.

A place as structs takes some 2 KB, encoded 400 bytes, compressed a third of that; and the garbage collector need not
look at bytes. What was lately used is kept as structs too.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec
import zstandard
from typing_extensions import override

from cluster.content_id import EMPTY
from replicator.core.head import Dot, Head, Kind
from replicator.core.place import Place, row_of

_MAX_RECENT: Final = 4096
_LEVEL: Final = 1

UNKNOWN: Final = Place()
"""The place of a path of which nothing is known."""
_decoder: Final = msgspec.msgpack.Decoder(Place)


class Places(Mapping[str, Place]):
    """Places by path; a place is never changed, only replaced. `replica` is who made most of the versions."""

    def __init__(self, replica: str) -> None:
        known = zstandard.ZstdCompressionDict(_like_most(replica), dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, dict_data=known, write_dict_id=False)
        self._decompressor = zstandard.ZstdDecompressor(dict_data=known)
        self._packed: dict[str, bytes] = {}
        self._recent: dict[str, Place] = {}

    def put(self, path: str, place: Place) -> bytes:
        """From now on the path has this place; its encoded form."""
        blob = msgspec.msgpack.encode(place)
        self._pack(path, blob)
        self._remember(path, place)
        return blob

    def load(self, path: str, blob: bytes) -> Place:
        """The place that was encoded so, by an earlier run."""
        self._pack(path, blob)
        return _decoder.decode(blob)

    def drop(self, path: str) -> None:
        """The path has none any more."""
        del self._packed[path]
        self._recent.pop(path, None)

    @override
    def __getitem__(self, path: str) -> Place:
        place = self._recent.get(path)
        if place is None:
            place = _decoder.decode(self._decompressor.decompress(self._packed[path]))
            self._remember(path, place)
        return place

    def of(self, path: str) -> Place:
        """The place of a path, an empty one when nothing is known of it: often asked for, and `get` is slower."""
        place = self._recent.get(path)
        if place is not None:
            return place
        return self[path] if path in self._packed else UNKNOWN

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    @override
    def __len__(self) -> int:
        return len(self._packed)

    @override
    def __contains__(self, path: object) -> bool:
        return path in self._packed

    def _pack(self, path: str, blob: bytes) -> None:
        """Kept as a copy of its own size: what comes out of the compressor has more memory behind it than it needs."""
        self._packed[path] = bytes(memoryview(self._compressor.compress(blob)))

    def _remember(self, path: str, place: Place) -> None:
        if len(self._recent) >= _MAX_RECENT:
            self._recent.clear()
        self._recent[path] = place


def _like_most(replica: str) -> bytes:
    """A place like most others, encoded: what compression need not say again."""
    head = Head(dot=Dot(replica, 1), vector={}, stamp_ns=1, kind=Kind.FILE, content_id=EMPTY)
    return msgspec.msgpack.encode(Place(heads=(head,), row=row_of(head), seen=head.seen, announced=1))


class PathsOf:
    """Which paths have which content; for nearly every content that is one."""

    def __init__(self) -> None:
        self._paths: dict[bytes, str | frozenset[str]] = {}  # the content ids as bytes, which take half of the space

    def get(self, content_id: str, default: Iterable[str] = ()) -> Iterable[str]:
        """The paths on the disk that have this content; none for what is no content id, as a stray file's name."""
        try:
            found = self._paths.get(bytes.fromhex(content_id))
        except ValueError:
            return default
        if found is None:
            return default
        return (found,) if isinstance(found, str) else found

    def add(self, content_id: str, path: str) -> None:
        """The path has it from now on."""
        found = frozenset(self.get(content_id)) | {path}
        self._paths[bytes.fromhex(content_id)] = path if len(found) == 1 else found

    def discard(self, content_id: str, path: str) -> None:
        """The path has it no more."""
        left = frozenset(self.get(content_id)) - {path}
        if not left:
            self._paths.pop(bytes.fromhex(content_id), None)
        else:
            self._paths[bytes.fromhex(content_id)] = next(iter(left)) if len(left) == 1 else left
