"""Tells whether one sync of the whole file system is cheap now: little of anybody's waits for a disk."""

from cluster.durable_file import unwritten_bytes


def is_calm(most_bytes: int) -> bool:
    """Whether no more than this waits to be written on the whole host. Blocks shortly."""
    try:
        return unwritten_bytes() <= most_bytes
    except (OSError, ValueError):  # nobody knows
        return False
