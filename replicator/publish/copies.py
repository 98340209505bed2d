"""Carries out every change in one order, with as many copies as its policy asks for.

The peers prepare; an intent is made durable; the disk changes; the index is committed; the peers commit; then the
answer. What fails before the disk changes is refused, and nothing is visible anywhere.
"""

from collections.abc import Awaitable, Callable

import msgspec

from cluster.clock import monotonic_s
from cluster.publish import Change, Done, Policy, Publish, Reason
from replicator.core.copies import copies_wanted
from replicator.measures import Measures
from replicator.peers.link import PeerLink
from replicator.peers.mesh import Mesh, PreparedCopies
from replicator.publish.refusals import RefusedError
from replicator.publish.showing import Showings
from replicator.transfers.preparing import Offer

LocalChange = Callable[[], Awaitable[list[str]]]
"""Changes the disk and the index; which paths changed."""


class Copies:
    """The copies of this node's changes. Used by the control thread alone."""

    def __init__(self, mesh: Mesh, showings: Showings, nodes: int, measures: Measures) -> None:
        self._mesh = mesh
        self._showings = showings
        self._nodes = nodes
        self._measures = measures

    async def change(self, request: Change, path: str, offer: Offer | None, local_change: LocalChange) -> Done:
        """Have the peers hold the offer, change this node, have them show it; RefusedError with too few of them."""
        copies = await self._prepare(path, offer, request.policy)
        with self._showings.of(await local_change()) as showing:
            return self.done(request, 1 + await showing.by_peers(copies))

    async def repeat(self, request: Publish, offer: Offer) -> Done:
        """The same content under the same path: nothing changes, but the copies must be there; RefusedError as above.

        The peers are asked even where they have acknowledged it: to one of them it may have lost against another head.
        """
        again = msgspec.structs.replace(offer, outflows={})  # who shows it needs no second copy, though it has come
        with self._showings.of((request.path,)) as showing:
            copies = await self._prepare(request.path, again, request.policy)
            return self.done(request, 1 + await showing.by_peers(copies))

    def done(self, request: Change, copies: int) -> Done:
        """The answer when so many nodes hold it."""
        wanted = copies_wanted(request.policy.nodes, self._nodes)
        note = f"{copies} of {wanted} copies" if copies < wanted else ""
        return Done(id=request.id, copies=copies, wanted=wanted, note=note)

    async def _prepare(self, path: str, offer: Offer | None, policy: Policy) -> PreparedCopies:
        wanted = copies_wanted(policy.nodes, self._nodes)
        links: tuple[PeerLink, ...] = self._mesh.in_sync() if wanted > 1 else ()
        if 1 + len(links) < wanted and policy.when_short == "refuse":
            raise _too_few(1 + len(links), wanted)
        started_s = monotonic_s()
        copies = await self._mesh.prepare(path, offer, links, wanted - 1)
        self._measures.prepare_seconds.observe(monotonic_s() - started_s)
        if 1 + len(copies.links) < wanted and policy.when_short == "refuse":
            raise _too_few(1 + len(copies.links), wanted)
        return copies


def _too_few(copies: int, wanted: int) -> RefusedError:
    return RefusedError(Reason.TOO_FEW_COPIES, f"only {copies} of the {wanted} copies asked for can be made now")
