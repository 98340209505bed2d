"""Looks whether this node's disk has space for what a peer is to send."""

from replicator.disk.staging import Staging
from replicator.not_yet import NotYetError


def require_space(staging: Staging, size_bytes: int, reserve_bytes: int) -> None:
    """What is spared goes for it; NotYetError when there is still too little beside the reserve."""
    if not staging.make_room(size_bytes + reserve_bytes):
        raise NotYetError("the disk of this node is full")
