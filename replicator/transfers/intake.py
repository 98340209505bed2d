"""Takes in many small new files of the peers at once: one question for all, one sync, one commit of their intents.

What is not so plain (a conflict, a file in the way, content that is here already) is left to `Replica.settle`, and
what goes wrong too.
"""

from collections.abc import Sequence
from pathlib import Path

from cluster.content_id import content_id_of
from cluster.log import logger
from cluster.replication_settings import Replication
from cluster.tree_path import parent
from replicator.core.head import Head
from replicator.disk.new_files import NewFile, write_together
from replicator.disk.staging import Held
from replicator.peers.connection import LOST, PeerError
from replicator.peers.link import PeerLink
from replicator.peers.wire import Small, WantSmall
from replicator.replica import Replica
from replicator.transfers.installing import install_new, new_file
from replicator.transfers.space import require_space

log = logger(__name__)


class Intake:
    """Used by the control thread alone."""

    def __init__(self, replica: Replica, links: Sequence[PeerLink], replication: Replication) -> None:
        self._replica = replica
        self._links = tuple(links)
        self._replication = replication

    def suits(self, path: str) -> bool:
        """Whether the path waits for a small new file, the content of which is nowhere here."""
        return self._wanted(path) is not None

    async def settle(self, paths: Sequence[str]) -> None:
        """As Replica.settle of each, as far as that goes: what is left stays pending."""
        replica = self._replica
        async with replica.settlers.of(*paths):
            replica.marker.check()
            wanted = {path: head for path in paths if (head := self._wanted(path)) is not None}
            size_bytes = sum(head.size_bytes for head in wanted.values())
            require_space(replica.staging, size_bytes, self._replication.disk_reserve_bytes)
            contents = await self._fetch(list(dict.fromkeys(head.content_id for head in wanted.values())))
            found = {path: head for path, head in wanted.items() if head.content_id in contents}
            for path in {parent(path): path for path in found}.values():
                await replica.ensure_folders(path, over_files=True)
            async with replica.locks.of(*found):
                replica.marker.check()
                still = {path: head for path, head in found.items() if self._wanted(path) == head}
                await self._install(still, contents)

    def _wanted(self, path: str) -> Head | None:
        head = new_file(self._replica, path)
        if head is None or head.size_bytes > self._replication.inline_bytes:
            return None
        content_id = head.content_id
        is_here = self._replica.staging.has(content_id) or any(self._replica.index.by_content.get(content_id, ()))
        return None if is_here else head

    async def _fetch(self, content_ids: Sequence[str]) -> dict[str, bytes]:
        """What the connected peers give of these contents."""
        contents: dict[str, bytes] = {}
        for link in self._links:
            missing = [content_id for content_id in content_ids if content_id not in contents]
            if not missing:
                break
            if not link.connected:
                continue
            try:
                await self._fetch_from(link, missing, contents)
            except LOST as error:
                log.info("small files are asked for elsewhere", peer=link.name, why=str(error) or type(error).__name__)
        return contents

    async def _fetch_from(self, link: PeerLink, missing: Sequence[str], contents: dict[str, bytes]) -> None:
        while missing:
            with link.exchange() as exchange:
                await exchange.send(WantSmall(number=exchange.number, contents=tuple(missing)))
                answer = await exchange.answer(self._replication.prepare_timeout_s)
            if not isinstance(answer, Small) or not 0 < len(answer.contents) <= len(missing):
                raise PeerError("answered something else than was asked")
            given = zip(missing, answer.contents, strict=False)
            contents |= {
                content_id: data for content_id, data in given if data is not None and content_id_of(data) == content_id
            }
            missing = missing[len(answer.contents) :]

    async def _install(self, heads: dict[str, Head], contents: dict[str, bytes]) -> None:
        replica = self._replica
        staged = {
            path: NewFile(
                replica.staging.new_file(head.content_id),
                contents[head.content_id],
                head.mtime_ns,
                replica.tree.file_mode(head.mode),
            )
            for path, head in heads.items()
        }
        installed: list[str] = []
        try:
            await replica.blocking(write_together, list(staged.values()))
            held = {path: Held(head.content_id, staged[path].file, is_synced=True) for path, head in heads.items()}
            installed = await install_new(replica, heads, held)
        finally:
            left = [piece.file for path, piece in staged.items() if path not in installed]
            if left:
                await replica.blocking(_unlink_all, left)


def _unlink_all(files: Sequence[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)
