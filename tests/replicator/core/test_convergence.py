"""Three replicas, any history, any delivery: alike in the end, quiet, nothing lost — and the wrong merge is found."""

import itertools
import random
from functools import reduce

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from replicator.core.head import Dot, Head, Kind, losers, merged, seen_by, winner
from replicator.core.hybrid_clock import Clock
from replicator.core.place import Applied, Clear, Found, Heard, Install, Place, Rest, Row, Touch, Written, plan, step

NODES = 3
PATHS = ("a", "b")


def pairwise_by_mtime(one, other):
    """The planted bug: one version is kept, and the newer mtime wins where none saw the other."""

    def better(mine, theirs):
        if mine.vector.get(theirs.dot.replica, 0) >= theirs.dot.sequence:
            return mine
        if theirs.vector.get(mine.dot.replica, 0) >= mine.dot.sequence:
            return theirs
        return max(mine, theirs, key=lambda head: (head.mtime_ns, head.dot))

    heads = [*one, *other]
    return (reduce(better, heads),) if heads else ()


class Node:
    def __init__(self, name):
        self.clock = Clock(f"{name}:1")
        self.places = {path: Place() for path in PATHS}
        self.kept = set()


class Replicas(RuleBasedStateMachine):
    merge = staticmethod(merged)

    def __init__(self):
        super().__init__()
        self.nodes = [Node(f"n{number}") for number in range(NODES)]
        self.wire = []
        self.contents = itertools.count(1)
        self.written = {path: set() for path in PATHS}
        self.replaced = {path: set() for path in PATHS}
        self.gone = {(number, path): set() for number in range(NODES) for path in PATHS}

    def feed(self, number, path, event):
        node = self.nodes[number]
        before = node.places[path]
        node.places[path], node.clock = step(before, node.clock, event, self.merge)
        if node.places[path].heads != before.heads:
            self.wire += [(other, path, node.places[path].heads) for other in range(NODES) if other != number]

    @rule(
        number=st.integers(0, NODES - 1),
        path=st.sampled_from(PATHS),
        mtime_ns=st.integers(0, 3),
        now_ns=st.integers(0, 9),
    )
    def writes(self, number, path, mtime_ns, now_ns):
        place = self.nodes[number].places[path]
        self.replaced[path] |= {head.content_id for head in place.heads}
        row = self.new_row(path, mtime_ns)
        self.feed(number, path, Written(row=row, now_ns=now_ns))

    @rule(
        number=st.integers(0, NODES - 1),
        path=st.sampled_from(PATHS),
        mtime_ns=st.integers(0, 3),
        now_ns=st.integers(0, 9),
    )
    def writes_past_the_replicator(self, number, path, mtime_ns, now_ns):
        self.replace_what_the_disk_showed(number, path)
        self.feed(number, path, Found(row=self.new_row(path, mtime_ns), now_ns=now_ns))

    @rule(number=st.integers(0, NODES - 1), path=st.sampled_from(PATHS), now_ns=st.integers(0, 9))
    def deletes(self, number, path, now_ns):
        place = self.nodes[number].places[path]
        if place.row is not None:
            self.replaced[path] |= {head.content_id for head in place.heads}
            self.feed(number, path, Written(row=None, now_ns=now_ns))

    @rule(number=st.integers(0, NODES - 1), path=st.sampled_from(PATHS), now_ns=st.integers(0, 9))
    def deletes_past_the_replicator(self, number, path, now_ns):
        if self.nodes[number].places[path].row is not None:
            self.replace_what_the_disk_showed(number, path)
            self.feed(number, path, Found(row=None, now_ns=now_ns, deleted=True))

    @rule(number=st.integers(0, NODES - 1), path=st.sampled_from(PATHS))
    def loses_a_file_unnoticed(self, number, path):
        place = self.nodes[number].places[path]
        if place.row is not None and self.holders(place.row.content_id) > 1:
            self.gone[number, path] |= {place.row.content_id, *(head.content_id for head in losers(place.heads))}
            self.feed(number, path, Found(row=None, now_ns=0))

    @rule(which=st.integers(0, 999), again=st.booleans())
    def delivers(self, which, again):
        if self.wire:
            to, path, heads = self.wire[which % len(self.wire)] if again else self.wire.pop(which % len(self.wire))
            self.feed(to, path, Heard(heads=heads))

    @rule(which=st.integers(0, 999))
    def drops(self, which):
        if self.wire:
            self.wire.pop(which % len(self.wire))

    @rule(number=st.integers(0, NODES - 1), path=st.sampled_from(PATHS))
    def applies(self, number, path):
        self.carry_out(number, path)

    def carry_out(self, number, path):
        node = self.nodes[number]
        place = node.places[path]
        action = plan(place)
        if isinstance(action, Rest):
            return False
        if isinstance(action, Install):
            if not self.holders(action.head.content_id):
                return False
            if action.keep:
                node.kept.add(place.row.content_id)
        row = None if isinstance(action, Clear) else row_of(action.head)
        self.feed(number, path, Applied(row=row, seen=seen_by(place.heads)))
        return True

    def settle(self):
        for _ in range(20):
            self.wire.clear()
            before = [dict(node.places) for node in self.nodes]
            for path, number, other in itertools.product(PATHS, range(NODES), range(NODES)):
                if number != other:
                    self.feed(other, path, Heard(heads=self.nodes[number].places[path].heads))
            worked = [self.carry_out(number, path) for number in range(NODES) for path in PATHS]
            if not any(worked) and before == [node.places for node in self.nodes]:
                return
        raise AssertionError("never quiet")

    def teardown(self):
        self.settle()
        for path in PATHS:
            places = [node.places[path] for node in self.nodes]
            assert len({tuple(head.dot for head in place.heads) for place in places}) == 1, "not alike"
            assert len({place.row for place in places}) == 1, "the disks differ"
            shown = winner(places[0].heads)
            if shown is not None:
                assert (places[0].row is not None) == shown.is_live, "the disk does not show the winner"
            lost = {content for content in self.written[path] - self.replaced[path] if not self.holders(content)}
            assert not lost, f"lost: {lost}"
        assert not self.wire, "settled, and still talking"

    @invariant()
    def heads_are_concurrent(self):
        for node in self.nodes:
            for place in node.places.values():
                assert self.merge(place.heads, place.heads) == place.heads

    def new_row(self, path, mtime_ns):
        content = f"content-{next(self.contents)}"
        self.written[path].add(content)
        return Row(kind=Kind.FILE, content_id=content, size_bytes=1, mtime_ns=mtime_ns)

    def replace_what_the_disk_showed(self, number, path):
        """Or had shown before it was damaged: what is written there then is the newer version of that file."""
        place = self.nodes[number].places[path]
        if place.row is None:
            self.replaced[path] |= self.gone[number, path]
        if place.row is not None:
            self.replaced[path].add(place.row.content_id)
            self.replaced[path] |= {head.content_id for head in losers(place.heads)}

    def holders(self, content):
        on_disk = [n for n in self.nodes if any(p.row and p.row.content_id == content for p in n.places.values())]
        return len(on_disk) + sum(content in node.kept for node in self.nodes)


class PairwiseReplicas(Replicas):
    merge = staticmethod(pairwise_by_mtime)


def row_of(head):
    return Row(kind=head.kind, content_id=head.content_id, size_bytes=head.size_bytes, mtime_ns=head.mtime_ns)


FEW = settings(max_examples=150, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.slow
def test_replicas_end_alike_quiet_and_with_nothing_lost():
    run_state_machine_as_test(Replicas, settings=FEW)


@pytest.mark.slow
def test_a_merge_pairwise_by_mtime_is_found():
    without_shrinking = settings(FEW, phases=[Phase.generate], database=None, print_blob=False)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(PairwiseReplicas, settings=without_shrinking)


def version(node, sequence, mtime_ns, stamp_ns, **saw):
    dot = Dot(f"{node}:1", sequence)
    vector = {f"{name}:1": seen for name, seen in saw.items()}
    return Head(
        dot=dot, vector=vector, stamp_ns=stamp_ns, kind=Kind.FILE, content_id=f"{node}{sequence}", mtime_ns=mtime_ns
    )


THREE = (version("a", 1, 1, 1), version("a", 2, 0, 3, a=1), version("b", 1, 0, 2))
"""The second saw the first and carries an older mtime; the third saw none: pairwise, each beats another in a ring."""


def winners(merge):
    orders = itertools.permutations(THREE)
    return {winner(reduce(merge, ((head,) for head in order))).content_id for order in orders}


def test_the_winner_of_a_set_does_not_depend_on_the_order_of_news():
    assert winners(merged) == {"a2"}


def test_pairwise_by_mtime_gives_another_winner_for_another_order():
    assert len(winners(pairwise_by_mtime)) > 1


@pytest.mark.parametrize("seed", range(30))
def test_merging_is_commutative_associative_and_idempotent(seed):
    chance = random.Random(seed)
    clocks = [Clock(f"n{number}:1") for number in range(3)]
    places, sets = [Place() for _ in clocks], [()]
    for _ in range(8):
        number = chance.randrange(3)
        event = (
            Heard(heads=chance.choice(sets))
            if chance.random() < 0.4
            else Written(row=Row(kind=Kind.FILE, content_id=str(len(sets))), now_ns=chance.randrange(5))
        )
        places[number], clocks[number] = step(places[number], clocks[number], event)
        sets.append(places[number].heads)
    one, two, three = (chance.choice(sets) for _ in range(3))
    assert merged(one, two) == merged(two, one)
    assert merged(merged(one, two), three) == merged(one, merged(two, three))
    assert merged(one, one) == one


@pytest.mark.parametrize(
    ("row", "action"),
    [
        (None, Install),
        (Row(kind=Kind.FILE, content_id="a1", mtime_ns=7), Touch),
        (Row(kind=Kind.FILE, content_id="a1", mtime_ns=1), Rest),
    ],
)
def test_the_plan_follows_from_the_heads_and_the_row(row, action):
    assert isinstance(plan(Place(heads=THREE[:1], row=row)), action)
