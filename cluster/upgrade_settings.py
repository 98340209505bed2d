"""The settings of `tripod upgrade`, frozen."""

from cluster.settings_values import Seconds, Section


class Upgrade(Section, frozen=True):
    """How a rolling upgrade restarts the programs of a node, one node after the other.

    `node_command` does it, from the host where `tripod upgrade` runs; it is no shell line: words are split as a shell
    does, and {node} and {address} in them are the node's. Sessions have `drain_s` to leave a node; then it has
    `ready_s` to be ready and in sync again.
    """

    node_command: str | None = None
    drain_s: Seconds = 600.0
    ready_s: Seconds = 600.0
