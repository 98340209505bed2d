"""What is known to be known is true, whatever the links are and in whatever order it is told."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from replicator.core.head import joined
from replicator.core.knowledge import MAX_ROWS, heard_upto, joined_rows

NODES = ("a:1", "b:1", "c:1", "d:1")
PAIRS = tuple(itertools.permutations(NODES, 2))


class Gossip:
    """Nodes that make changes and tell their peers: what each has really heard, and what it says of others."""

    def __init__(self) -> None:
        self.has = {node: set() for node in NODES}
        self.log = {node: [] for node in NODES}  # what its index had at each of its sequences
        self.mine = {node: {} for node in NODES}
        self.rows = {node: {} for node in NODES}
        self._changes = itertools.count()

    def change(self, node):
        self._hear(node, {next(self._changes)})

    def _hear(self, node, changes):
        if changes - self.has[node]:
            self.has[node] |= changes
            self.log[node].append(frozenset(self.has[node]))

    def tell(self, speaker, hearer):
        """The index, and then the rows, as links tell them."""
        own = joined((self.mine[speaker], {speaker: len(self.log[speaker])}))
        self.rows[speaker] = joined_rows(self.rows[speaker], {speaker: own})
        self._hear(hearer, self.has[speaker])
        self.mine[hearer] = joined((self.mine[hearer], own))
        self.rows[hearer] = joined_rows(self.rows[hearer], self.rows[speaker])

    def check(self):
        for rows in self.rows.values():
            for replica, row in rows.items():
                for about, sequence in row.items():
                    told = self.log[about][sequence - 1] if sequence else frozenset()
                    assert told <= self.has[replica], f"{replica} has not heard what {about} had at {sequence}"


STEPS = st.lists(st.one_of(st.sampled_from(NODES), st.sampled_from(PAIRS)), max_size=60)


@given(STEPS)
def test_nobody_is_said_to_know_what_he_does_not(steps):
    gossip = Gossip()
    for step in steps:
        gossip.change(step) if isinstance(step, str) else gossip.tell(*step)
        gossip.check()


@given(st.permutations(NODES), st.booleans())
def test_along_a_chain_or_a_ring_everybody_learns_that_everybody_knows(order, is_ring):
    gossip = Gossip()
    for node in NODES:
        gossip.change(node)
    links = [*itertools.pairwise(order), *([(order[-1], order[0])] if is_ring else [])]
    for _ in range(4 * len(NODES)):
        for one, other in links:
            gossip.tell(one, other)
            gossip.tell(other, one)
    gossip.check()
    for me, other in PAIRS:
        assert heard_upto(gossip.rows[me], other[0], me) == len(gossip.log[me])


def test_a_row_of_any_incarnation_counts_and_another_incarnation_of_ours_does_not():
    rows = {"b:1": {"a:1": 7, "a:0": 99}, "b:2": {"a:1": 3}, "c:1": {"a:1": 50}}
    assert heard_upto(rows, "b", "a:1") == 7
    assert heard_upto(rows, "d", "a:1") == 0


def test_old_news_change_nothing_and_cost_nothing():
    rows = {"b:1": {"a:1": 7}}
    assert joined_rows(rows, {"b:1": {"a:1": 5}}) is rows
    assert joined_rows(rows, {"b:1": {"a:1": 8, "c:1": 1}}) == {"b:1": {"a:1": 8, "c:1": 1}}


def test_no_more_rows_are_taken_than_may_be_told():
    many = {f"n{number}:1": {"a:1": 1} for number in range(MAX_ROWS)}
    assert joined_rows(many, {"one:more": {"a:1": 1}, "n0:1": {"a:1": 2}}) == many | {"n0:1": {"a:1": 2}}
    row = {f"n{number}:1": 1 for number in range(MAX_ROWS)}
    assert joined_rows({"b:1": row}, {"b:1": {"one:more": 1}}) == {"b:1": row}
