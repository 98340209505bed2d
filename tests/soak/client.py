"""A client of the publish sockets: goes from node to node as sessions do behind the VIP, and notes what it is told."""

import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

from cluster.content_id import content_id_of
from cluster.publish import (
    Arriving,
    Done,
    MakeDirectory,
    Policy,
    Publish,
    Reason,
    Refused,
    Remove,
    Rename,
    SetMtime,
)
from cluster.tree_path import STAGING
from tests.kit.publish_client import PublishClient
from tests.kit.record import Record
from tests.kit.replicators import Replicators
from tests.kit.self_telling import new_content
from tests.soak.operations import DONE, REFUSED, UNKNOWN, Journal, Operation, contents_at
from tests.soak.paths import shared_folder, shared_move, shared_path
from tests.soak.writer import Writer

_PATIENCE_S = 8.0
_MOST_BYTES = 20_000
_LARGE_BYTES = 1_000_000
_PIECES = 6
_POLICIES = tuple(
    Policy(nodes=nodes, when_short=short)
    for nodes in ("local", "any-peer", "any-peer", "quorum", "all")
    for short in ("degrade", "degrade", "refuse")
)
_NOTHING_CHANGED = {
    Reason.TOO_FEW_COPIES,
    Reason.NOT_FOUND,
    Reason.EXISTS,
    Reason.NOT_EMPTY,
    Reason.BAD_PATH,
}
_KINDS = {
    "upload": 30, "upload own": 24, "arrive": 6, "repeat": 3, "remove": 8, "remove own": 5, "rename": 8,
    "rename folder": 2, "mkdir": 3, "rmdir": 2, "mtime": 4,
}  # fmt: skip


class Client(Writer):
    """Goes from node to node."""

    kinds = _KINDS

    def __init__(
        self,
        number: int,
        replicators: Replicators,
        journal: Journal,
        chance: random.Random,
        record: Record,
        is_over: threading.Event,
        most_rest_s: float,
    ) -> None:
        super().__init__(f"client{number}", journal, chance, record, is_over, most_rest_s)
        self._replicators = replicators
        self._client: PublishClient | None = None
        self._node = ""
        self._own: dict[str, bytes] = {}
        self._last: tuple[str, bytes] = ("", b"")

    def _act(self, kind: str) -> None:
        if self._logged_in():
            super()._act(kind)
        if self._chance.random() < 0.1:
            self._leave()

    # what it does

    def _upload(self) -> None:
        self.put(shared_path(self._chance), new_content(self._chance, _MOST_BYTES))

    def _upload_own(self) -> None:
        old = list(self._own)
        path = (
            self._chance.choice(old) if old and self._chance.random() < 0.3 else f"own/{self.name}/{self._turn % 200}"
        )
        content = new_content(self._chance, _MOST_BYTES)
        done = self.put(path, content)
        self._own[path] = content
        self._check_copies(path, content, done)

    def _arrive(self) -> None:
        """A large upload, whose bytes go to the peers as they come."""
        path, content = f"own/{self.name}/large{self._turn % 20}", new_content(self._chance, _LARGE_BYTES)
        self._check_copies(path, content, self.put(path, content, arrives=True))

    def _repeat(self) -> None:
        """It was cut off from its answer, and tries again elsewhere."""
        path, content = self._last
        if path:
            self.put(path, content)

    def _remove(self) -> None:
        self._take("remove", shared_path(self._chance), "file")

    def _remove_own(self) -> None:
        if self._own:
            path = self._chance.choice(list(self._own))
            del self._own[path]
            self._take("remove", path, "file")

    def _rmdir(self) -> None:
        self._take("rmdir", shared_folder(self._chance), "directory")

    def _rename(self) -> None:
        self._move(*shared_move(self._chance))

    def _rename_folder(self) -> None:
        self._move(shared_folder(self._chance), shared_folder(self._chance))

    def _mkdir(self) -> None:
        path = shared_folder(self._chance)
        operation = self._begin("mkdir", path)
        self._ask(operation, lambda number: MakeDirectory(id=number, path=path, policy=self._policy()))

    def _mtime(self) -> None:
        path, mtime_ns = shared_path(self._chance), self._chance.randrange(10**9, 2 * 10**18)
        operation = self._begin("mtime", path)
        self._ask(operation, lambda number: SetMtime(id=number, path=path, mtime_ns=mtime_ns, policy=self._policy()))

    # how

    def put(self, path: str, content: bytes, *, arrives: bool = False) -> Done | None:
        """Upload this; what it was told, if it was told that it is done."""
        self._last = path, content
        assert self._client is not None, "it has logged in"
        policy, mtime_ns = self._policy(), self._chance.randrange(10**9, 2 * 10**18)  # often older than what is there
        operation = self._begin("upload", path, content_id_of(content))
        staged = self._client.stage(b"" if arrives else content)
        if arrives and not self._grow(path, staged, content, policy):
            return None
        answer = self._ask(
            operation,
            lambda number: Publish(
                id=number,
                path=path,
                staged=staged,
                content_id=operation.content,
                size_bytes=len(content),
                mtime_ns=mtime_ns,
                policy=policy,
            ),
        )
        if operation.outcome == UNKNOWN:
            self._staged(staged).unlink(missing_ok=True)
        return answer

    def _grow(self, path: str, staged: str, content: bytes, policy: Policy) -> bool:
        """Let the staged file grow while the peers get what comes; whether the replicator still is there."""
        assert self._client is not None, "it has logged in"
        piece_bytes = len(content) // _PIECES + 1
        with self._staged(staged).open("ab") as file:
            try:
                self._client.ask(Arriving(id=self._client.next_number(), path=path, staged=staged, policy=policy))
            except OSError:
                self._staged(staged).unlink(missing_ok=True)
                self._leave()
                return False
            for start in range(0, len(content), piece_bytes):
                file.write(content[start : start + piece_bytes])
                file.flush()
                self._is_over.wait(self._chance.uniform(0, 0.05))
            os.fsync(file.fileno())
        return True

    def _staged(self, name: str) -> Path:
        return self._replicators.root(self._node) / STAGING / name

    def _take(self, kind: str, path: str, what: str) -> None:
        operation = self._begin(kind, path)
        self._ask(operation, lambda number: Remove(id=number, path=path, kind=what, policy=self._policy()))

    def _move(self, source: str, target: str) -> None:
        operation = self._begin("rename", source, target=target)
        self._ask(operation, lambda number: Rename(id=number, source=source, target=target, policy=self._policy()))

    def _begin(self, kind: str, path: str, content: str = "", target: str = "") -> Operation:
        gone = contents_at(self._replicators.root(self._node), target or path) if kind not in {"mkdir", "mtime"} else ()
        return self._journal.begin(
            Operation(
                who=self.name,
                node=self._node,
                kind=kind,
                path=path,
                target=target,
                content=content,
                gone=frozenset(gone) - {content},
            )
        )

    def _ask(self, operation: Operation, make: Callable[[int], object]) -> Done | None:
        assert self._client is not None, "it has logged in"
        try:
            answer = self._client.ask(make(self._client.next_number()))
        except OSError:
            self._record.count("answers that never came")
            self._leave()
            return None
        match answer:
            case Done():
                operation.end(DONE, answer.copies)
                self._record.count("changes by clients")
                self._record.count("of them with fewer copies than asked for", answer.degraded)
                return answer
            case Refused():
                self._record.count("refused")
                operation.end(REFUSED if answer.reason in _NOTHING_CHANGED else UNKNOWN)
                if answer.reason is Reason.NOT_READY:
                    self._leave()
        return None

    def _check_copies(self, path: str, content: bytes, done: Done | None) -> None:
        """On reading the answer: as many nodes as it says hold the content, of a path that is nobody else's."""
        if done is None:
            return
        there = sum(_read(self._replicators, name, path) == content for name in self._replicators.names)
        self._record.count("looks for the copies that were promised")
        if there < done.copies:
            self._record.find(f"{path} was acknowledged with {done.copies} copies, and {there} were there")

    def _policy(self) -> Policy:
        return self._chance.choice(_POLICIES)

    def _logged_in(self) -> bool:
        if self._client is None:
            self._node = self._chance.choice(self._replicators.names)
            try:
                self._client = PublishClient(self._replicators.cluster.settings.nodes[self._node], _PATIENCE_S)
            except OSError:
                return False
        return True

    def _leave(self) -> None:
        if self._client is not None:
            self._client.__exit__()
            self._client = None


def _read(replicators: Replicators, name: str, path: str) -> bytes | None:
    try:
        return (replicators.root(name) / path).read_bytes()
    except OSError:
        return None
