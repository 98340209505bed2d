"""Decides which files that are gone from their names stand under other ones now: somebody has renamed them."""

from collections.abc import Mapping

from replicator.core.place import Row


def moved(gone: Mapping[str, Row], seen: Mapping[str, Row]) -> dict[str, str]:
    """Of the files that were `gone` from these paths, those that are `seen` at others, unchanged: old name to new.

    A rename keeps inode, size and time, but not the ctime. Where another file has got all three by chance, nothing is
    wrong but that it is looked at a little earlier.
    """
    names = {_identity(row): path for path, row in seen.items()}
    return {path: names[_identity(row)] for path, row in gone.items() if _identity(row) in names}


def _identity(row: Row) -> tuple[str, int, int, int]:
    return row.kind.value, row.inode, row.size_bytes, row.mtime_ns
