"""What operators may ask of a replicator, with parameters: GET /backlog?paths=N, /explain?path=…, /recent."""

from collections.abc import Mapping
from typing import Final

from cluster.backlog import Backlog
from cluster.clock import now_ns
from cluster.explained import Explained
from cluster.log import last_warnings
from cluster.management import Lookup
from cluster.recent import Recent, Warned
from cluster.tree_path import complaint
from replicator.operators.explain import explain
from replicator.peers.mesh import Mesh
from replicator.peers.owed import MAX_PATHS, list_backlog
from replicator.replica import Replica
from replicator.worker import Worker


class Lookups:
    """Used by the control thread alone."""

    def __init__(self, replica: Replica, mesh: Mesh, worker: Worker) -> None:
        self._replica, self._mesh, self._worker = replica, mesh, worker
        self.all: Final[Mapping[str, Lookup]] = {
            "backlog": self._backlog,
            "explain": self._explain,
            "recent": self._recent,
        }

    async def _backlog(self, query: Mapping[str, str]) -> Backlog:
        asked = query.get("paths", "0")
        if not asked.isdecimal() or int(asked) > MAX_PATHS:
            raise ValueError(f"paths must be a number up to {MAX_PATHS}")
        return await list_backlog(self._replica.index, self._mesh.links, now_ns(), int(asked))

    async def _explain(self, query: Mapping[str, str]) -> Explained:
        path = query.get("path", "").strip("/")
        wrong = complaint(path)
        if wrong:
            raise ValueError(f"{path!r} cannot be a path in the tree: {wrong}")
        return await explain(self._replica, self._mesh.links, self._worker.trouble, path)

    async def _recent(self, _query: Mapping[str, str]) -> Recent:
        index = self._replica.index
        warnings = tuple(Warned(at, text) for at, text in last_warnings())
        return Recent(node=index.node, last_hour=index.last_hour(), warnings=warnings)
