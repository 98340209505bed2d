"""What writers did: each operation with what was before their eyes, when it was, and what they were told."""

import math
import threading
from pathlib import Path

import msgspec

from cluster.clock import monotonic_s
from cluster.content_id import content_id_of

DONE, REFUSED, UNKNOWN = "done", "refused", "unknown"


class Operation(msgspec.Struct, kw_only=True):
    """One operation. A rename goes from `path` to `target`, all others are about `path`.

    `content` is what an upload or a write puts there. `gone` are the contents that stood on this node's disk, just
    before, where the operation replaces or removes. `outcome` is UNKNOWN until it ends, and then it has no end.
    """

    who: str
    node: str
    kind: str
    path: str
    target: str = ""
    content: str = ""
    gone: frozenset[str] = frozenset()
    began_s: float = 0.0
    ended_s: float = math.inf
    outcome: str = UNKNOWN
    copies: int = 0
    is_program: bool = False

    @property
    def puts(self) -> str:
        """The path at which something stands after it, empty for none."""
        if self.kind == "rename":
            return self.target
        return self.path if self.content or self.kind in {"mtime", "mkdir"} else ""

    @property
    def takes(self) -> str:
        """The path at which `gone` stood."""
        return self.target if self.kind == "rename" else self.path

    def end(self, outcome: str, copies: int = 0) -> None:
        """It has ended so; of what nobody knows may come any time."""
        self.outcome, self.copies = outcome, copies
        if outcome != UNKNOWN:
            self.ended_s = monotonic_s()

    def __str__(self) -> str:
        what = f"{self.kind} {self.path}" + (f" to {self.target}" if self.target else "")
        content = f" of {self.content[:8]}" if self.content else ""
        when = f"from {self.began_s:.3f} to {self.ended_s:.3f}"
        return f"{what}{content} by {self.who} at {self.node} {when}: {self.outcome}"


class Journal:
    """All operations of a run, by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._operations: list[Operation] = []

    def begin(self, operation: Operation) -> Operation:
        operation.began_s = monotonic_s()
        with self._lock:
            self._operations.append(operation)
        return operation

    def all(self) -> list[Operation]:
        with self._lock:
            return list(self._operations)

    def __len__(self) -> int:
        return len(self._operations)


def contents_at(root: Path, path: str) -> frozenset[str]:
    """The content of the file at a path, or of all files below it."""
    place = root / path
    try:
        if place.is_dir():
            return frozenset().union(*(contents_at(root, f"{path}/{child.name}") for child in place.iterdir()))
        return frozenset((content_id_of(place.read_bytes()),))
    except OSError:  # it is not there, or not any more
        return frozenset()
