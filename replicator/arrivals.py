"""The uploads that are still arriving at this node: each is followed on the disk and brought to the peers meanwhile."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cluster.publish import Arriving, Done, Reason
from replicator.core.copies import copies_wanted
from replicator.mesh import Mesh
from replicator.outflow import Outflow
from replicator.refusals import RefusedError, check_path
from replicator.staging import Staging

_MOST: Final = 1000
_QUICK_S: Final = 0.01
_SLOW_S: Final = 0.5
_PORTION_BYTES: Final = 128 << 10
"""What is worth being sent at once; less waits until more has come, or for a while."""


class Arrival:
    """One upload. Used by the control thread alone."""

    def __init__(self, path: str, staged: Path, mesh: Mesh) -> None:
        self._path = path
        self._staged = staged
        self._mesh = mesh
        self._outflows: dict[str, Outflow] = {}
        self._size_bytes = staged.stat().st_size
        self._find_peers()
        self._following = asyncio.create_task(self._follow())

    @property
    def is_over(self) -> bool:
        """Whether nobody follows it any more."""
        return self._following.done()

    def seal(self) -> Mapping[str, Outflow]:
        """All has come, and nothing more is looked for; what brought it to the peers, by peer."""
        self._following.cancel()
        return self._outflows

    def end(self) -> None:
        """Nothing is asked of the peers any more; where it was not sealed, nothing will come of it."""
        self._following.cancel()
        for outflow in self._outflows.values():
            outflow.give_up()

    async def _follow(self) -> None:
        """Look how far the file has grown, the more often the faster it does."""
        pause_s = _QUICK_S
        while True:
            await asyncio.sleep(pause_s)
            try:
                grown_bytes = self._staged.stat().st_size - self._size_bytes
            except OSError:  # it was thrown away, and nobody told
                self.end()
                return
            is_worth_it = grown_bytes >= _PORTION_BYTES
            if is_worth_it or (grown_bytes > 0 and pause_s >= _SLOW_S):
                self._size_bytes += grown_bytes
                self._find_peers()
            pause_s = _QUICK_S if is_worth_it else min(2 * pause_s, _SLOW_S)

    def _find_peers(self) -> None:
        """Tell the peers how much there is; one that has come into sync, or comes back, gets all from the begin."""
        for link in self._mesh.in_sync():
            known = self._outflows.get(link.name)
            if known is None or (known.is_over and known.connected_s != link.connected_s):
                self._outflows[link.name] = Outflow(link, self._path, self._staged)
        for outflow in self._outflows.values():
            outflow.grew(self._size_bytes)


class Arrivals:
    """Those of this node, by the names of their staged files. Used by the control thread alone."""

    def __init__(self, mesh: Mesh, staging: Staging, nodes: int) -> None:
        self._mesh = mesh
        self._staging = staging
        self._nodes = nodes
        self._arrivals: dict[str, Arrival] = {}

    def begin(self, request: Arriving) -> Done:
        """Follow one; RefusedError when there is nothing to follow, or there are too many."""
        check_path(request.path)
        self._arrivals = {staged: arrival for staged, arrival in self._arrivals.items() if not arrival.is_over}
        if len(self._arrivals) >= _MOST or request.staged in self._arrivals:
            raise RefusedError(Reason.NOT_READY, "too many uploads arrive at once")
        wanted = copies_wanted(request.policy.nodes, self._nodes)
        if wanted > 1:
            try:
                arrival = Arrival(request.path, self._staging.uploaded(request.staged), self._mesh)
            except (FileNotFoundError, ValueError) as error:
                raise RefusedError(Reason.NOT_FOUND, f"the staged file {request.staged} is not there") from error
            self._arrivals[request.staged] = arrival
        return Done(id=request.id, copies=1, wanted=1)

    @contextmanager
    def sealed(self, staged: str) -> Iterator[Mapping[str, Outflow]]:
        """All of an upload has come: what brought it to the peers, by peer; it ends with the block."""
        arrival = self._arrivals.pop(staged, None)
        try:
            yield {} if arrival is None else arrival.seal()
        finally:
            if arrival is not None:
                arrival.end()
