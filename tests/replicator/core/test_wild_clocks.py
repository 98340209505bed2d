"""Clocks that run ahead, apart or together, and come right again: who saw what decides as if they never had."""

import itertools
import random
from functools import reduce

import pytest

from replicator.core.head import NOTHING, Kind, merged, seen_by, winner
from replicator.core.hybrid_clock import MAX_DRIFT_NS, Clock, corrected, drift_ns
from replicator.core.place import Heard, Place, Restamped, Row, Written, step

NODES = 3
NOW_NS = 10**18
YEAR_NS = 365 * 86_400 * 10**9
ERRORS_NS = (0, 0, YEAR_NS, YEAR_NS, 2 * YEAR_NS, -YEAR_NS)


class Replicas:
    """One path on three replicas; the wall clock of each is as wrong as `errors_ns` says."""

    def __init__(self):
        self.places = [Place() for _ in range(NODES)]
        self.clocks = [Clock(f"n{number}:1") for number in range(NODES)]
        self.errors_ns = [0] * NODES
        self.true_ns = NOW_NS
        self.contents = itertools.count()
        self.made = NOTHING
        """Every version that anybody made, without those that somebody replaced who had seen them."""
        self.replaced = set()

    def wall_ns(self, number):
        self.true_ns += 1000
        return self.true_ns + self.errors_ns[number]

    def feed(self, number, event):
        self.places[number], self.clocks[number] = step(self.places[number], self.clocks[number], event)

    def writes(self, number, *, removes=False):
        row = None if removes else Row(kind=Kind.FILE, content_id=f"content-{next(self.contents)}")
        self.replaced |= {head.content_id for head in self.places[number].heads}
        self.feed(number, Written(row=row, now_ns=self.wall_ns(number)))
        self.made = merged(self.made, self.places[number].heads)

    def tells(self, number, other):
        """All or nothing, as a peer that believes a stamp or refuses the connection."""
        heads, now_ns = self.places[number].heads, self.wall_ns(other)
        if heads and not any(drift_ns(head.stamp_ns, now_ns) for head in heads):
            self.feed(other, Heard(heads=heads))

    def looks_at_the_clocks(self, number):
        now_ns, mine_ns = self.wall_ns(number), self.errors_ns[number]
        others_ns = self.errors_ns[:number] + self.errors_ns[number + 1 :]
        agree = any(abs(error_ns - mine_ns) <= MAX_DRIFT_NS for error_ns in others_ns)
        if agree and drift_ns(self.clocks[number].stamp_ns, now_ns):
            self.feed(number, Restamped(now_ns=now_ns))
            self.clocks[number] = corrected(self.clocks[number], now_ns)

    def lives(self, chance, steps):
        for _ in range(steps):
            number, other = chance.sample(range(NODES), 2)
            match chance.randrange(8):
                case 0 | 1:
                    self.writes(number)
                case 2:
                    self.writes(number, removes=True)
                case 3:
                    self.errors_ns[number] = chance.choice(ERRORS_NS)
                case 4:
                    self.looks_at_the_clocks(number)
                case _:
                    self.tells(number, other)

    def come_right(self, chance):
        """In any order, and while they tell one another."""
        for number in chance.sample(range(NODES), NODES):
            self.errors_ns[number] = 0
            self.tells(*chance.sample(range(NODES), 2))
        for _ in range(3):
            for number in chance.sample(range(NODES), NODES):
                self.looks_at_the_clocks(number)
            for number, other in itertools.permutations(range(NODES), 2):
                self.tells(number, other)


@pytest.mark.parametrize("seed", range(300))
def test_what_was_replaced_stays_replaced_whatever_the_clocks_said(seed):
    chance = random.Random(seed)
    replicas = Replicas()
    replicas.lives(chance, 30)
    replicas.come_right(chance)
    first, *others = (place.heads for place in replicas.places)
    assert others == [first] * len(others), "not alike"
    assert not any(drift_ns(head.stamp_ns, replicas.true_ns) for head in first), "still from the future"
    back = {head.content_id for head in first if head.is_live} & replicas.replaced
    assert not back, "what somebody replaced who had seen it is back"
    assert [head.dot for head in first] == [head.dot for head in replicas.made]


@pytest.mark.parametrize("seed", range(100))
def test_merging_what_was_restamped_is_commutative_associative_and_idempotent(seed):
    chance = random.Random(seed)
    replicas = Replicas()
    replicas.errors_ns = [YEAR_NS] * NODES
    told = [NOTHING]
    for _ in range(12):
        replicas.lives(chance, 3)
        told += [place.heads for place in replicas.places]
    one, two, three = (chance.choice(told) for _ in range(3))
    assert merged(one, two) == merged(two, one)
    assert merged(merged(one, two), three) == merged(one, merged(two, three))
    assert merged(one, one) == one
    alike = [reduce(merged, order) for order in itertools.permutations((one, two, three))]
    assert alike == [alike[0]] * len(alike)


def test_what_is_from_the_future_keeps_its_order():
    """Who wins does not change for being restamped; and what comes next ranks above all of it."""
    replicas = Replicas()
    replicas.errors_ns = [2 * YEAR_NS, YEAR_NS, 0]
    replicas.writes(0)
    replicas.writes(1)
    concurrent = merged(*(place.heads for place in replicas.places[:2]))
    now_ns = NOW_NS + 1
    after, clock = step(Place(heads=concurrent), Clock("n1:1", 5, concurrent[0].stamp_ns), Restamped(now_ns=now_ns))
    assert winner(after.heads).dot == winner(concurrent).dot
    assert [head.dot for head in after.heads] == [head.dot for head in concurrent]
    assert seen_by(after.heads) == seen_by(concurrent)
    assert all(now_ns <= head.stamp_ns <= clock.stamp_ns < now_ns + MAX_DRIFT_NS for head in after.heads)
