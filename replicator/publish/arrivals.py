"""The uploads that are still arriving at this node: each is followed on the disk and brought to the peers meanwhile."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from cluster.publish import Arriving, Cut, Done, FindPartial, OutOfOrder, PartialFound, Reason
from replicator.core.copies import copies_wanted
from replicator.disk.partials import Owner, told_bytes
from replicator.disk.sources import Sources
from replicator.peers.link import PeerLink
from replicator.peers.mesh import Mesh
from replicator.publish.refusals import RefusedError, check_path
from replicator.replica import Replica
from replicator.transfers.outflow import Outflow, Upload

_MOST: Final = 1000
_QUICK_S: Final = 0.01
_SLOW_S: Final = 0.5
_PORTION_BYTES: Final = 128 << 10
"""What is worth being sent at once; less waits until more has come, or for a while."""


class Arrival:
    """One upload. Used by the control thread alone. `links` tells the peers that may have it now."""

    def __init__(self, upload: Upload, sources: Sources, links: Callable[[], tuple[PeerLink, ...]]) -> None:
        """OSError when there is no such staged file."""
        self.upload = upload
        self.size_bytes = upload.staged.stat().st_size
        self._sources = sources
        self._links = links
        self._outflows: dict[str, Outflow] = {}
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

    def end(self, *, cut: bool = False) -> None:
        """Nothing is asked of the peers any more; where it was not sealed it was `cut`, or is not wanted."""
        self._following.cancel()
        for outflow in self._outflows.values():
            outflow.give_up(cut=cut)

    async def _follow(self) -> None:
        """Look how far the file has grown, the more often the faster it does."""
        pause_s = _QUICK_S
        while True:
            await asyncio.sleep(pause_s)
            try:
                grown_bytes = self.upload.staged.stat().st_size - self.size_bytes
            except OSError:  # an ftpnode has died, and cleans up after its restart
                self.end(cut=True)
                return
            is_worth_it = grown_bytes >= _PORTION_BYTES
            if is_worth_it or (grown_bytes > 0 and pause_s >= _SLOW_S):
                self.size_bytes += grown_bytes
                self._find_peers()
            pause_s = _QUICK_S if is_worth_it else min(2 * pause_s, _SLOW_S)

    def _find_peers(self) -> None:
        """Tell the peers how much there is; one that has come into sync, or comes back, gets all from the begin."""
        for link in self._links():
            known = self._outflows.get(link.name)
            if known is None or (known.is_over and known.connected_s != link.connected_s):
                self._outflows[link.name] = Outflow(link, self.upload, self._sources)
        for outflow in self._outflows.values():
            outflow.grew(self.size_bytes)


class Arrivals:
    """Those of this node, by the names of their staged files. Used by the control thread alone."""

    def __init__(self, mesh: Mesh, replica: Replica, nodes: int) -> None:
        self._mesh = mesh
        self._replica = replica
        self._staging = replica.staging
        self._nodes = nodes
        self._arrivals: dict[str, Arrival] = {}

    async def answer(self, request: Arriving | OutOfOrder | Cut | FindPartial) -> Done | PartialFound:
        """Carry out a request about uploads that have not ended; RefusedError when that cannot be."""
        match request:
            case Arriving():
                self._begin(request)
            case OutOfOrder():
                if (arrival := self._arrivals.pop(request.staged, None)) is not None:
                    arrival.end()
            case Cut():
                await self._cut(request)
            case FindPartial():
                return self._find(request)
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

    def _begin(self, request: Arriving) -> None:
        check_path(request.path)
        self._arrivals = {staged: arrival for staged, arrival in self._arrivals.items() if not arrival.is_over}
        if len(self._arrivals) >= _MOST or request.staged in self._arrivals:
            raise RefusedError(Reason.NOT_READY, "too many uploads arrive at once")
        goes_out = copies_wanted(request.policy.nodes, self._nodes) > 1
        links = self._mesh.in_sync if goes_out else _no_links
        row = self._replica.index.place(request.path).row
        try:
            staged = self._staging.uploaded(request.staged)
            owner, base = Owner(request.path, request.account), row.content_id if row else ""
            arrival = Arrival(Upload(owner, staged, request.keep_s, base or None), self._replica.sources, links)
        except (FileNotFoundError, ValueError) as error:
            raise RefusedError(Reason.NOT_FOUND, f"the staged file {request.staged} is not there") from error
        self._arrivals[request.staged] = arrival

    async def _cut(self, request: Cut) -> None:
        arrival = self._arrivals.pop(request.staged, None)
        if arrival is None:
            try:
                self._staging.uploaded(request.staged).unlink(missing_ok=True)
            except ValueError as error:
                raise RefusedError(Reason.BAD_PATH, str(error)) from error
            return
        arrival.end(cut=request.keep)
        upload = arrival.upload
        keep_s = upload.keep_s if request.keep else 0.0
        await self._staging.partials.keep(self._replica, upload.staged, upload.owner, keep_s)

    def _find(self, request: FindPartial) -> PartialFound:
        owner = Owner(request.path, request.account)
        found = None
        if not self._replica.index.is_live(request.path):
            growing = (
                (arrival.upload.staged.name, told_bytes(arrival.size_bytes))
                for arrival in reversed(self._arrivals.values())
                if arrival.upload.owner == owner and not arrival.is_over
            )
            found = next((each for each in growing if each[1]), None) or self._staging.partials.find(owner)
        if found is None:
            raise RefusedError(Reason.NOT_FOUND, f"nothing has come of {request.path}")
        return PartialFound(id=request.id, name=found[0], size_bytes=found[1])


def _no_links() -> tuple[PeerLink, ...]:
    return ()
