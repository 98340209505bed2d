"""Judges by canaries, each sent by one node and looked for at the others, which node is cut off from all of them."""

from collections.abc import Collection, Mapping

import msgspec

from cluster.balancer_settings import Probe
from cluster.health import CanaryTrip
from cluster.settings import Settings


class Connectedness(msgspec.Struct, frozen=True):
    """What is believed of one node; `streak` counts the rounds in a row that speak against it."""

    cut_off: bool = False
    streak: int = 0


def targets_of(settings: Settings) -> dict[str, frozenset[str]]:
    """The nodes at which each node's canaries are looked for; a read-only one sends none.

    Those that it has a link with, unless cluster.yaml makes that link slow or closes it: then files take their time.
    """
    replication = settings.replication
    if replication.mode == "none":
        return {}
    bounded = {(link.source, link.target) for link in replication.links if link.bytes_per_s or link.schedule}
    found = {
        source: frozenset(target for target in settings.peers_of(source) if (source, target) not in bounded)
        for source in settings.writers
    }
    return {source: targets for source, targets in found.items() if targets}


def cut_off(trips: Collection[CanaryTrip]) -> frozenset[str]:
    """The nodes that are to blame for what did not arrive in a round.

    Two nodes are connected when all canaries between them arrived. Who is connected with nobody, while others are with
    one another, is to blame. Of two nodes, or in halves, it cannot be known, and between nodes that are connected with
    others it is the way between them.
    """
    lost = {_pair(trip) for trip in trips if trip.delay_s is None}
    connected = frozenset[str]().union(*({_pair(trip) for trip in trips} - lost))
    return frozenset[str]().union(*lost) - connected if connected else frozenset()


def after_round(
    known: Mapping[str, Connectedness], trips: Collection[CanaryTrip], probe: Probe
) -> dict[str, Connectedness]:
    """What to believe after one more round: `probe.fall` in a row cut a node off, `probe.rise` connect it again.

    Of a node that had no part in it nothing is believed.
    """
    blamed = cut_off(trips)
    return {
        node: _after(known.get(node, Connectedness()), probe, blamed=node in blamed)
        for node in sorted({name for trip in trips for name in (trip.source, trip.target)})
    }


def why_cut_off(node: str, trips: Collection[CanaryTrip]) -> str:
    """Why a node that is cut off is so, in a sentence."""
    lost = [_pair(trip) for trip in trips if trip.delay_s is None and node in _pair(trip)]
    others = sorted(frozenset[str]().union(*lost) - {node})
    if not others:
        return "canaries arrive again, but not for long yet"
    return f"no canary arrives between it and {', '.join(others)}"


def _pair(trip: CanaryTrip) -> frozenset[str]:
    return frozenset((trip.source, trip.target))


def _after(before: Connectedness, probe: Probe, *, blamed: bool) -> Connectedness:
    if blamed == before.cut_off:
        return Connectedness(before.cut_off)
    streak = before.streak + 1
    if streak >= (probe.fall if blamed else probe.rise):
        return Connectedness(blamed)
    return Connectedness(before.cut_off, streak)
