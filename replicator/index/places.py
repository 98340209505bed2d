"""Holds the places of a replica by path, as small as it can: encoded, as they stand in the database.

A place as structs takes some 2 KB, encoded 200 bytes; and the garbage collector need not look at bytes. What was
lately used is kept as structs too.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec
from typing_extensions import override

from replicator.core.place import Place

_MAX_RECENT: Final = 4096

_decoder: Final = msgspec.msgpack.Decoder(Place)


class Places(Mapping[str, Place]):
    """Places by path; a place is never changed, only replaced."""

    def __init__(self) -> None:
        self._encoded: dict[str, bytes] = {}
        self._recent: dict[str, Place] = {}

    def put(self, path: str, place: Place) -> bytes:
        """From now on the path has this place; its encoded form."""
        blob = msgspec.msgpack.encode(place)
        self._encoded[path] = blob
        self._remember(path, place)
        return blob

    def load(self, path: str, blob: bytes) -> Place:
        """The place that was encoded so, by an earlier run."""
        self._encoded[path] = blob
        return _decoder.decode(blob)

    def drop(self, path: str) -> None:
        """The path has none any more."""
        del self._encoded[path]
        self._recent.pop(path, None)

    @override
    def __getitem__(self, path: str) -> Place:
        place = self._recent.get(path)
        if place is None:
            place = _decoder.decode(self._encoded[path])
            self._remember(path, place)
        return place

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._encoded)

    @override
    def __len__(self) -> int:
        return len(self._encoded)

    @override
    def __contains__(self, path: object) -> bool:
        return path in self._encoded

    def _remember(self, path: str, place: Place) -> None:
        if len(self._recent) >= _MAX_RECENT:
            self._recent.clear()
        self._recent[path] = place


class PathsOf:
    """Which paths have which content; for nearly every content that is one."""

    def __init__(self) -> None:
        self._paths: dict[str, str | frozenset[str]] = {}

    def get(self, content_id: str, default: Iterable[str] = ()) -> Iterable[str]:
        """The paths on the disk that have this content."""
        found = self._paths.get(content_id)
        if found is None:
            return default
        return (found,) if isinstance(found, str) else found

    def add(self, content_id: str, path: str) -> None:
        """The path has it from now on."""
        found = frozenset(self.get(content_id)) | {path}
        self._paths[content_id] = path if len(found) == 1 else found

    def discard(self, content_id: str, path: str) -> None:
        """The path has it no more."""
        left = frozenset(self.get(content_id)) - {path}
        if not left:
            self._paths.pop(content_id, None)
        else:
            self._paths[content_id] = next(iter(left)) if len(left) == 1 else left
