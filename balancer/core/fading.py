"""A sum that forgets: what was added counts half after every half-life."""

import math

import msgspec


class Fading(msgspec.Struct, frozen=True):
    """`amount` as it was at the moment `at_s`."""

    half_life_s: float
    amount: float = 0.0
    at_s: float = 0.0

    def now(self, now_s: float) -> float:
        """What is left of it."""
        return self.amount * math.exp2((self.at_s - now_s) / self.half_life_s)

    def plus(self, more: float, now_s: float) -> "Fading":
        """With `more` added now."""
        return Fading(self.half_life_s, self.now(now_s) + more, now_s)
