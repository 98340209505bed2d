"""Knows which live paths are one name where names are compared as on Windows (replicator.core.names)."""

from replicator.core.names import likeness


class Namesakes:
    """The live paths of an index, by what they are alike in."""

    def __init__(self) -> None:
        self._alone: dict[str, str] = {}
        self._groups: dict[str, set[str]] = {}

    def follow(self, path: str, *, was_live: bool, is_live: bool) -> None:
        """The path came to life, is live no more, or neither."""
        if is_live and not was_live:
            self._add(path)
        elif was_live and not is_live:
            self._discard(path)

    def of(self, path: str) -> list[str]:
        """The other paths that are one name with this one, live or not."""
        alike = likeness(path)
        there = self._groups.get(alike) or {self._alone.get(alike, path)}
        return sorted(there - {path})

    @property
    def count(self) -> int:
        """How many groups there are."""
        return len(self._groups)

    def groups(self, most: int) -> tuple[tuple[str, ...], ...]:
        """The groups, in order, up to so many."""
        return tuple(tuple(sorted(self._groups[alike])) for alike in sorted(self._groups)[:most])

    def notices(self) -> tuple[str, ...]:
        """Sentences for an operator."""
        if not self._groups:
            return ()
        one, other = self.groups(1)[0][:2]
        return (f"{self.count} names stand here more than once for Windows clients and copies: {one!r} and {other!r}",)

    def _add(self, path: str) -> None:
        alike = likeness(path)
        if alike in self._groups:
            self._groups[alike].add(path)
        elif self._alone.setdefault(alike, path) != path:
            self._groups[alike] = {self._alone.pop(alike), path}

    def _discard(self, path: str) -> None:
        alike = likeness(path)
        group = self._groups.get(alike)
        if group is None:
            self._alone.pop(alike, None)
            return
        group.discard(path)
        if len(group) == 1:
            self._alone[alike] = group.pop()
            del self._groups[alike]
