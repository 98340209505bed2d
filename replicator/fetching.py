"""Gets content from one peer into a file: the asking side of Want."""

import asyncio
import os
from pathlib import Path

from cluster.content_id import ContentHash
from replicator.connection import PeerError
from replicator.peer_link import PeerLink
from replicator.wire import Data, Want


async def fetch(link: PeerLink, content_id: str, size_bytes: int, staged: Path, timeout_s: float) -> None:
    """Get content into the file `staged`, durably; PeerError when the peer has it not, or sends another."""
    content = ContentHash()
    with link.exchange() as exchange, staged.open("wb") as file:
        await exchange.send(Want(number=exchange.number, content_id=content_id, offset=0))
        while True:
            answer = await exchange.answer(timeout_s)
            if not isinstance(answer, Data) or answer.problem:
                raise PeerError(answer.problem if isinstance(answer, Data) else "answered something else")
            await asyncio.to_thread(_take, answer.data, file.fileno(), content, sync=answer.last)
            if content.size_bytes > size_bytes:
                raise PeerError(f"sent more than the {size_bytes} bytes of {content_id[:12]}")
            if answer.last:
                break
    if content.content_id() != content_id:
        raise PeerError(f"sent other content than {content_id[:12]}")


def _take(data: bytes, fd: int, content: ContentHash, *, sync: bool) -> None:
    content.update(data)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    if sync:
        os.fsync(fd)
