"""How the disk work of one replica is run: in a pool, so that the control thread goes on."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar, TypeVarTuple

_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")


class Blocking(Protocol):
    """Runs disk work in a pool."""

    def __call__(self, work: Callable[[*_Arguments], _Result], *arguments: *_Arguments) -> Awaitable[_Result]:
        """Run it, and wait for its result."""
