"""Shares out among the workers of a node what each needs for itself."""

import msgspec


class Place(msgspec.Struct, frozen=True):
    """Which of a node's workers one process is: number `number` (from 1) of `workers`."""

    number: int = 1
    workers: int = 1

    def slice(self, ports: range) -> range:
        """The ports of the node's range that are this worker's alone; the slices differ by one port at most."""
        before, upto = ((len(ports) * worker) // self.workers for worker in (self.number - 1, self.number))
        return ports[before:upto]

    def share(self, total: int) -> int:
        """How much of what the node may do at once this worker may do; each may do something."""
        return max(1, total // self.workers)

    @property
    def mark(self) -> str:
        """What tells this worker's staged files from the others' by their names; "" where there are no others."""
        return f"{self.number}-" if self.workers > 1 else ""
