"""Brings kept content back as a new version, through the same path that uploads take, or gives it up."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from cluster.content_id import ContentId
from cluster.kept import Restored
from cluster.log import logger
from cluster.publish import Answer, Done, Policy, Publish, Refused, Request
from cluster.tree_path import complaint
from replicator.core.kept_versions import Version
from replicator.index.index import Conflict
from replicator.operators.report import conflict_id
from replicator.replica import Replica

log = logger(__name__)


class Recovery:
    """The recoveries of one replica. Used by the control thread alone."""

    def __init__(self, replica: Replica, publish: Callable[[Request], Awaitable[Answer]]) -> None:
        self._replica = replica
        self._publish = publish

    async def restore_version(self, path: str, content_id: str, target: str) -> Restored:
        """Show a kept version of `path` again, under `target`; ValueError says why it cannot be."""
        version = self._replica.index.versions.get((path, content_id))
        file = self._replica.versions.file(content_id)
        if version is None or file is None:
            raise ValueError(f"no version {content_id[:12]} of {path} is kept here")
        return await self._restore(file, version, target)

    async def restore_conflict(self, wanted: str, target: str) -> Restored:
        """Show the losing content of a conflict, under `target` or where it lost; ValueError says why it cannot be."""
        conflict = self._conflict(wanted)
        if conflict is None or not conflict.kept:
            raise ValueError(f"this node keeps no content of a conflict {wanted!r}")
        return await self._restore(self._replica.tree.conflicts / conflict.kept, conflict, target or conflict.path)

    async def discard_conflict(self, wanted: str) -> int:
        """Give up what a conflict keeps here, and list it no more; how many conflicts that were."""
        conflict = self._conflict(wanted)
        if conflict is None:
            return 0
        await self._replica.conflicts.discard(conflict)
        return 1

    def _conflict(self, wanted: str) -> Conflict | None:
        return next((one for one in self._replica.index.open_conflicts() if conflict_id(one) == wanted), None)

    async def _restore(self, file: Path, kept: Version | Conflict, target: str) -> Restored:
        wrong = complaint(target)
        if wrong:
            raise ValueError(f"{target!r}: {wrong}")
        replica = self._replica
        staged = replica.staging.recovered_file()
        try:
            mtime_ns = kept.mtime_ns if isinstance(kept, Version) else (await replica.blocking(file.stat)).st_mtime_ns
            found = await replica.blocking(replica.tree.copy, file, staged)
        except OSError as error:
            staged.unlink(missing_ok=True)
            raise ValueError(f"{file.name} cannot be read: {error.strerror}") from error
        if found != kept.content_id:
            staged.unlink()
            raise ValueError(f"{file.name} has other content than its name says; it is damaged")
        size_bytes = (await replica.blocking(staged.stat)).st_size
        answer = await self._publish(
            Publish(
                id=0, account="operator", policy=Policy(), path=target, staged=staged.name,
                content_id=ContentId(found), size_bytes=size_bytes, mtime_ns=mtime_ns,
            )
        )  # fmt: skip
        staged.unlink(missing_ok=True)
        match answer:
            case Done(copies=copies, wanted=wanted):
                log.info("restored", path=target, content_id=found, copies=copies)
                return Restored(path=target, content_id=found, copies=copies, wanted=wanted)
            case Refused(text=text):
                raise ValueError(f"{target}: {text}")
            case _:
                raise AssertionError(f"a Publish was answered with {type(answer).__name__}")
