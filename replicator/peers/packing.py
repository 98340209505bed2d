"""Compresses content for one connection, where that pays (Zstandard, RFC 8878), and undoes it at the other end."""

import asyncio
from typing import Final

import zstandard

from cluster.clock import monotonic_s
from cluster.replication_settings import Compression
from replicator.core.packing import SAMPLE_BYTES, Costs, is_worth_packing, learned
from replicator.peers.connection import Connection, PeerError
from replicator.peers.wire import CHUNK_BYTES

_LEVEL: Final = 1
_LEAST_BYTES: Final = 4096


class Packing:
    """What is sent over one connection. Used by the control thread alone."""

    def __init__(self, connection: Connection, mode: Compression) -> None:
        self._connection = connection
        self._mode = mode
        self._pack_s = Costs().pack_s

    def of_content(self) -> "PackedContent":
        """For one content, or a part of it."""
        return PackedContent(self)

    def is_worth(self, limit: int | None, ratio: float) -> bool:
        """Whether to compress what comes to `ratio` of its size, over a link with that limit."""
        costs = Costs(send_s=self._connection.send_s, pack_s=self._pack_s)
        return self._mode == "auto" and is_worth_packing(costs, limit, ratio)

    async def pack(self, data: bytes) -> bytes:
        """The data, compressed."""
        began_s = monotonic_s()
        packed = await asyncio.to_thread(_packed, data)
        self._pack_s = learned(self._pack_s, monotonic_s() - began_s, len(data))
        return packed


class PackedContent:
    """One content on its way: a sample of its first bytes says how well it can be compressed."""

    def __init__(self, packing: Packing) -> None:
        self._packing = packing
        self._ratio: float | None = None

    async def pack(self, data: bytes, limit: int | None) -> tuple[bytes, bool]:
        """The next of it as it is sent over a link with that limit, and whether it is compressed."""
        packing = self._packing
        if len(data) < _LEAST_BYTES or not packing.is_worth(limit, self._ratio or 0.0):
            return data, False
        if self._ratio is None:
            sample = data[:SAMPLE_BYTES]
            self._ratio = len(await asyncio.to_thread(_packed, sample)) / len(sample)
            if not packing.is_worth(limit, self._ratio):
                return data, False
        return await packing.pack(data), True


def _packed(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=_LEVEL).compress(data)


def unpacked(data: bytes) -> bytes:
    """What was compressed; PeerError for what is not, or would come to more than a chunk."""
    try:
        if not 0 <= zstandard.frame_content_size(data) <= CHUNK_BYTES:  # -1: it does not say
            raise PeerError("sent compressed bytes that do not say how many they are, or too many")
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=CHUNK_BYTES, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise PeerError("sent bytes that are not compressed as they should be") from error
