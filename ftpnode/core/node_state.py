"""Decides what the health document says of this node."""

from cluster.health import NodeState, ReplicatorHealth


def node_state(
    *,
    draining: bool,
    has_replicator: bool,
    replicator: ReplicatorHealth | None,
    disk_free_bytes: int,
    reserve_bytes: int,
    workers: tuple[int, int] = (1, 1),
) -> tuple[NodeState, tuple[str, ...]]:
    """The state, the worst reason first, and a sentence for each reason.

    `replicator` is its own health, None when it did not answer (or when there is none to ask). `workers` are how many
    serve and how many should.
    """
    reasons: list[tuple[NodeState, str]] = []
    serving, wanted = workers
    if not serving:
        reasons.append((NodeState.FAILED, f"none of {wanted} workers serves"))
    if has_replicator and replicator is None:
        reasons.append((NodeState.FAILED, "the replicator does not answer on its publish socket"))
    if replicator is not None and replicator.state is NodeState.FAILED:
        reasons.append((NodeState.FAILED, "the replicator says that it has failed"))
    if draining:
        reasons.append((NodeState.DRAINING, "this node is being drained"))
    if replicator is not None and replicator.state is NodeState.JOINING:
        reasons.append((NodeState.JOINING, "the replicator is joining the cluster"))
    if disk_free_bytes < reserve_bytes:  # what is there can be read, and removed
        text = f"the disk has {disk_free_bytes} bytes left, fewer than the reserve of {reserve_bytes}: no uploads"
        reasons.append((NodeState.READY, text))
    if 0 < serving < wanted:
        reasons.append((NodeState.READY, f"{serving} of {wanted} workers serve"))
    state = reasons[0][0] if reasons else NodeState.READY
    return state, tuple(text for _, text in reasons)
