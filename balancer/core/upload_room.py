"""Decides before an upload whether the session's node has room for it on its disk, another one has, or none."""

from collections.abc import Iterable
from enum import StrEnum

from balancer.core.choose_node import NodeView, is_in
from cluster.balancer_settings import Pool
from cluster.health import NodeState


class Room(StrEnum):
    """Where an upload of this session may go."""

    HERE = "here"
    """The node at hand, or whichever the session gets; it has the last word."""
    ELSEWHERE = "elsewhere"
    """Its node has none, and a ready one has."""
    NOWHERE = "nowhere"
    """Every node that serves, and takes changes, says that its disk is full."""


def room_for_upload(nodes: Iterable[NodeView], pool: Pool | None, node: str) -> Room:
    """Where an upload of a session on `node` (empty: on none) may go.

    Nodes say how their disks are some times a second, so only what all of them say is believed against the client.
    """
    serving = [view for view in nodes if is_in(view, pool) and view.health.serves and not view.read_only]
    if not any(view.disk_full for view in serving):
        return Room.HERE
    if all(view.disk_full for view in serving):
        return Room.NOWHERE
    is_full = any(view.disk_full for view in serving if view.health.node == node)
    has_better = any(view.health.state is NodeState.READY and not view.disk_full for view in serving)
    return Room.ELSEWHERE if is_full and has_better else Room.HERE
