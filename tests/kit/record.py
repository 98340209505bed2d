"""What happened in a run, noted by its threads, and what was found wrong."""

import threading
from collections import Counter


class Record:
    """Counts by name, findings as sentences, and the content owed under each path of each cluster."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._findings: list[str] = []

    def count(self, what: str, number: int = 1) -> None:
        with self._lock:
            self._counts[what] += number

    def find(self, what: str) -> None:
        """Note that something is not as it was promised."""
        with self._lock:
            self._findings.append(what)

    def __getitem__(self, what: str) -> int:
        with self._lock:
            return self._counts[what]

    @property
    def findings(self) -> list[str]:
        with self._lock:
            return list(self._findings)
