"""Breaks the lab on purpose: a thread that breaks parts, mends them, and waits until all is well before the next."""

import threading
from collections.abc import Callable, Iterator

from compose.lab.fault import Blow, FaultPlan
from compose.lab.parts import Parts
from compose.lab.process import PartFailedError
from compose.lab.report import Fault

_RECOVERY_S = 30.0


class Faults:
    """`done` lists what was broken, `current` says what is; after `stop()` every part runs again."""

    def __init__(self, parts: Parts, plans: Iterator[FaultPlan], clock: Callable[[], float]) -> None:
        self.done: list[Fault] = []
        self.current = ""
        self.failure: PartFailedError | None = None
        self._parts = parts
        self._plans = plans
        self._clock = clock
        self._began_s = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="faults")

    def start(self) -> None:
        """Begin to break things."""
        self._began_s = self._clock()
        self._thread.start()

    def stop(self) -> None:
        """Break nothing more; returns when what was down has been started again."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        for plan in self._plans:
            if self._stop.wait(plan.rest_s):
                return
            at_s = self._passed_s()
            self.current = plan.what
            self._break_for_a_while(plan)
            try:
                # Not cut short by a stop: the clients' last round begins when all is well.
                self._parts.wait_until(self._parts.all_usable, threading.Event(), _RECOVERY_S)
            except PartFailedError as failure:
                self.failure = failure
                return
            self.done.append(Fault(at_s=at_s, what=plan.what, hit=plan.hit, until_s=self._passed_s()))
            self.current = ""

    def _break_for_a_while(self, plan: FaultPlan) -> None:
        match plan.blow:
            case Blow.KILL:
                self._parts.kill(plan.parts)
                self._stop.wait(plan.down_s)
                self._parts.restart(plan.parts)
            case Blow.STOP:
                self._parts.pause(plan.parts)
                self._stop.wait(plan.down_s)
                self._parts.go_on(plan.parts)

    def _passed_s(self) -> float:
        return round(self._clock() - self._began_s, 2)
