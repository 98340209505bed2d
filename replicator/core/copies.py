"""Decides how many nodes must hold a change, and which peers are worth waiting for."""

from typing import assert_never

import msgspec

from cluster.publish import PolicyName


class PeerView(msgspec.Struct, frozen=True, kw_only=True):
    """A peer as the publish path sees it.

    `suspect`: it let a deadline pass and has done nothing since; it is not waited for again until it has.
    """

    name: str
    connected: bool
    heard_ago_s: float
    suspect: bool


def copies_wanted(policy: PolicyName, nodes: int) -> int:
    """On how many nodes, this one counted, a change must be durable in a cluster of `nodes`."""
    match policy:
        case "local":
            return 1
        case "any-peer":
            return 2
        case "quorum":
            return nodes // 2 + 1
        case "all":
            return nodes
        case _:
            assert_never(policy)


def is_in_sync(peer: PeerView, lease_s: float) -> bool:
    """Whether the peer has a lease: connected, heard of lately, and not suspect."""
    return peer.connected and not peer.suspect and peer.heard_ago_s <= lease_s
