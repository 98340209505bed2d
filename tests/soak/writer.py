"""One that writes during a soak: draws what to do next, rests, and goes on until the soak is over."""

import random
import threading
from collections.abc import Mapping

from tests.kit.record import Record
from tests.soak.operations import Journal


class Writer(threading.Thread):
    """Works until `is_over`, with rests of up to `most_rest_s`; `kinds` are what it does, with how often."""

    kinds: Mapping[str, int]

    def __init__(
        self,
        name: str,
        journal: Journal,
        chance: random.Random,
        record: Record,
        is_over: threading.Event,
        most_rest_s: float,
    ) -> None:
        super().__init__(name=name)
        self._journal = journal
        self._chance = chance
        self._record = record
        self._is_over = is_over
        self._most_rest_s = most_rest_s
        self._turn = 0

    def run(self) -> None:
        try:
            while not self._is_over.wait(self._chance.uniform(0, self._most_rest_s)):
                self._turn += 1
                self._act(self._chance.choices(list(self.kinds), list(self.kinds.values()))[0])
        except Exception as error:
            self._record.find(f"{self.name} failed: {error!r}")
            raise
        finally:
            self._leave()

    def _act(self, kind: str) -> None:
        getattr(self, f"_{kind.replace(' ', '_')}")()

    def _leave(self) -> None:
        """It has worked for the last time, or for now."""
