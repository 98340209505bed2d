"""Answers what the ftpnode of this host asks without changing anything: all of it is in the index."""

from collections.abc import Callable
from typing import assert_never

from cluster.content_id import ContentId
from cluster.health import ReplicatorHealth
from cluster.publish import (
    Answer,
    Ask,
    CheckName,
    Copies,
    Describe,
    Described,
    DescribedFiles,
    DescribeFiles,
    Done,
    Measure,
    Measured,
    Question,
    Reason,
    State,
)
from replicator.core.head import Kind, winner
from replicator.index.index import Index
from replicator.peers.mesh import Mesh
from replicator.publish.names import Names
from replicator.publish.quotas import Quotas
from replicator.publish.refusals import RefusedError


class Questions:
    """Used by the control thread alone."""

    def __init__(
        self,
        index: Index,
        mesh: Mesh,
        quotas: Quotas,
        names: Names,
        nodes: int,
        health: Callable[[], ReplicatorHealth],
    ) -> None:
        self._index = index
        self._mesh = mesh
        self._quotas = quotas
        self._names = names
        self._nodes = nodes
        self._health = health

    def answer(self, question: Question) -> Answer:
        """The answer; RefusedError when there is no such file, or may be no such name."""
        match question:
            case Ask():
                return State(id=question.id, health=self._health())
            case Describe():
                found = self._copies(question.path)
                if found is None:
                    raise RefusedError(Reason.NOT_FOUND, f"{question.path} is no file")
                return Described(id=question.id, content_id=found.content_id, copies=found.copies, nodes=self._nodes)
            case DescribeFiles(folder=folder):
                paths = {name: f"{folder}/{name}" if folder else name for name in question.names}
                known = {name: self._copies(path) for name, path in paths.items()}
                files = {name: found for name, found in known.items() if found is not None}
                return DescribedFiles(id=question.id, files=files)
            case Measure():
                used, file_bytes = (
                    self._quotas.used(question.folder, question.path),
                    self._quotas.file_bytes(question.path),
                )
                return Measured(id=question.id, used=used, file_bytes=file_bytes)
            case CheckName(path=path):
                self._names.check(path)
                return Done(id=question.id, copies=1, wanted=1)
            case _:
                assert_never(question)

    def _copies(self, path: str) -> Copies | None:
        """A peer counts when it has said that it holds all we told it up to this version; so there may be more."""
        place = self._index.place(path)
        head = winner(place.heads)
        if head is None or head.kind is not Kind.FILE:
            return None
        here = place.row is not None and place.row.content_id == head.content_id
        return Copies(ContentId(head.content_id), int(here) + self._mesh.holders(place.announced))
