"""Lists what a scan met in the root that cannot be replicated."""

from collections.abc import Iterable
from typing import Final

from cluster.oddities import OddEntry

_MOST: Final = 1000


class OddEntries:
    """How many they are, and the first of them."""

    def __init__(self) -> None:
        self.count = 0
        self.listed: list[OddEntry] = []

    def add(self, entries: Iterable[OddEntry]) -> None:
        """The scan met these too."""
        for entry in entries:
            self.count += 1
            if len(self.listed) < _MOST:
                self.listed.append(entry)

    def notices(self) -> tuple[str, ...]:
        """Sentences for an operator."""
        if not self.count:
            return ()
        first = self.listed[0]
        rest = f", and {self.count - 1} more" if self.count > 1 else ""
        return (f"not replicated: {first.path!r} ({first.why}){rest}",)
