"""Keeps this node from being blind to its own root: finds the watcher blind, builds it anew, and says so.

Blind from the moment something is wrong until a scan of the whole root that began after the repair has ended. What the
kernel cannot be made to watch is scanned again and again, as often as the time that takes allows.
"""

from collections.abc import Collection
from typing import Final

from cluster.clock import monotonic_s
from cluster.log import logger
from cluster.tree_path import parents
from replicator.measures import Measures
from replicator.replica import Replica
from replicator.watching.kernel_watches import Limits, advice, limits
from replicator.watching.watch import Watch

_REST_SHARE: Final = 50
_REBUILD_S: Final = 60.0

log = logger(__name__)


class Sight:
    """What one replicator sees of its root. Used by the control thread alone; `folders` are the known directories."""

    def __init__(self, watch: Watch, replica: Replica, measures: Measures, interval_s: float,
                 folders: Collection[str]) -> None:  # fmt: skip
        self._watch, self._replica, self._measures = watch, replica, measures
        self._folders = folders
        self._patience_s = interval_s + 1.0
        self._started = False
        self._why, self._since_s = "", 0.0
        self._mended_s: float | None = None
        self._scanned_s = self._overflowed_s = self._audit_s = 0.0
        self._regained_s: float | None = None
        self._suspects: frozenset[str] = frozenset()
        self._unwatched: frozenset[str] = frozenset()
        self._limits: Limits | None = None
        self._advice: tuple[str, ...] = ()

    @property
    def is_watching(self) -> bool:
        """Whether anything at all is watched."""
        return self._started

    @property
    def why_blind(self) -> str:
        """Why changes past the cluster may go unseen for now; empty when none can."""
        return self._why

    def blind_for_s(self, now_s: float) -> float | None:
        """Since how long; None when not blind."""
        return now_s - self._since_s if self._why else None

    def notices(self, now_s: float) -> tuple[str, ...]:
        """Sentences for an operator."""
        blind = (f"blind for {now_s - self._since_s:.0f} s: {self._why}; only scans find changes past the cluster",)
        return (*(blind if self._why else ()), *self._advice)

    async def start(self) -> None:
        """Begin to watch; where that fails, `check` tries again."""
        self._limits = await self._replica.blocking(_limits_here)
        self._advise(len(self._folders))
        try:
            await self._replica.blocking(self._watch.start)
        except OSError as error:
            self._started = False
            self._lose(f"the root cannot be watched ({error.strerror or error})")
            return
        self._started = True
        self._mended_s = monotonic_s()

    async def check(self) -> None:
        """Look for blindness and repair it; once an interval. OSError of the canary passes through."""
        self._replica.marker.check()
        self._hear_overflow()
        why = self._watch.trouble(monotonic_s(), self._patience_s) if self._started else self._why
        if why:
            await self._rebuild(why)
        await self._replica.blocking(self._watch.touch_canary)
        if self._started and not why:
            await self._audit()
        self._measures.watch_blind.set(bool(self._why))

    def scanned(self, began_s: float) -> None:
        """A scan of the whole root that began then has ended."""
        self._scanned_s = began_s
        self._see_again()

    def _see_again(self) -> None:
        mended = self._mended_s is not None and self._scanned_s >= self._mended_s and not self._unwatched
        if self._why and mended:
            log.info("the watcher sees again", blind_s=round(monotonic_s() - self._since_s, 3))
            self._why = ""
            self._measures.watch_blind.set(0)

    def _hear_overflow(self) -> None:
        at_s = self._watch.overflowed_s
        if at_s <= self._overflowed_s:
            return
        self._overflowed_s = at_s
        self._measures.watch_overflows.inc()
        if self._scanned_s < at_s:
            self._lose("the kernel's queue was full and events are lost")
            self._mended_s = max(at_s, self._mended_s or 0.0)

    async def _rebuild(self, why: str) -> None:
        self._lose(why)
        self._measures.watch_rebuilds.inc()
        await self._replica.blocking(self._watch.stop)
        await self.start()
        if self._started:
            self._watch.mark_everything()

    async def _audit(self) -> None:
        """Compare what the kernel watches with the folders that are known; two audits must agree, for news is late."""
        began_s = monotonic_s()
        if began_s < self._audit_s:
            return
        folders = list(self._folders)
        missing = await self._replica.blocking(self._watch.unwatched, folders)
        self._measures.unwatched.set(len(missing))
        self._advise(len(folders))
        confirmed, self._suspects = missing & self._suspects, missing
        self._unwatched = confirmed or missing & self._unwatched
        now_s = monotonic_s()
        if confirmed:
            await self._regain(confirmed, now_s)
        self._see_again()
        if confirmed or not missing:
            self._audit_s = now_s + _REST_SHARE * (now_s - began_s)

    async def _regain(self, missing: frozenset[str], now_s: float) -> None:
        example = min(missing)
        why = f"{len(missing)} folders are not watched, such as {example or 'the root'!r}"
        if self._regained_s is None or now_s - self._regained_s > _REBUILD_S:
            self._regained_s = now_s
            await self._rebuild(why)
            return
        self._why = why
        for folder in topmost(missing):
            self._watch.mark_folder(folder)

    def _lose(self, why: str) -> None:
        if not self._why:
            self._since_s = monotonic_s()
        if self._why != why:
            log.warning("the watcher is blind", why=why)
        self._why, self._mended_s = why, None

    def _advise(self, folders: int) -> None:
        told, self._advice = self._advice, advice(folders, self._limits) if self._limits else ()
        if self._advice != told:
            for sentence in self._advice:
                log.warning("a limit of the kernel is low", why=sentence)


def topmost(folders: frozenset[str]) -> frozenset[str]:
    """The folders that lie below no other of them."""
    if "" in folders:
        return frozenset({""})
    return frozenset(folder for folder in folders if not any(above in folders for above in parents(folder)))


def _limits_here() -> Limits | None:
    try:
        return limits()
    except (OSError, ValueError) as error:
        log.warning("the kernel's limits on watches cannot be read", why=str(error))
        return None
