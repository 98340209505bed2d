"""What happens to a simulated cluster, as a list of events; a seed makes one."""

import random

import msgspec

WINDOW_S = 6.0
PATHS = ("a", "b", "d/x", "d/y", "d")
POLICIES = ("local", "any-peer", "any-peer", "quorum", "all")

WEIGHTS = {
    # through the publish protocol
    "upload": 30, "repeat": 3, "remove": 6, "rename": 5, "mkdir": 2, "rmdir": 1, "mtime": 2,
    # past the replicator
    "local-write": 6, "local-delete": 3, "local-rename": 2, "local-touch": 3,
    # faults
    "power-cut": 5, "kill": 4, "crash-at-call": 8, "stop": 2, "cut": 7, "cut-one-way": 3, "reset": 4, "blind": 3,
    "clock": 2, "disk-full": 2, "disk-fails": 2, "slow": 2, "wipe": 1, "roll-back": 1, "damage": 3, "lie": 2,
    "forget": 1, "rot": 2,
    # of the cluster itself
    "away": 1, "leave": 1, "clone": 1,
}  # fmt: skip


class Event(msgspec.Struct, frozen=True, array_like=True):
    """`kind` happens at `at_s` on `node`; what the other fields mean depends on the kind."""

    at_s: float
    kind: str
    node: int
    path: str = ""
    other: str = ""
    number: int = 0
    lasts_s: float = 0.0


class History(msgspec.Struct, frozen=True):
    """Everything that a run depends on; the seed decides how long things take."""

    seed: int
    nodes: int
    events: tuple[Event, ...]
    shape: str = "mesh"
    """Which nodes have links with which: see `linked`."""
    mirror: bool = False
    """Whether the last node is read-only."""

    def lines(self) -> str:
        """For people, and to be pasted into a test."""
        rows = [f"    {tuple(getattr(event, name) for name in event.__struct_fields__)!r}," for event in self.events]
        last = [] if self.shape == "mesh" else [f"    shape={self.shape!r},"]
        last += ["    mirror=True,"] if self.mirror else []
        return "\n".join([f"history({self.seed}, {self.nodes},", *rows, *last, ")"])


def history(seed: int, nodes: int, *rows: tuple, shape: str = "mesh", mirror: bool = False) -> History:
    """A history as it was printed."""
    return History(seed, nodes, tuple(Event(*row) for row in rows), shape, mirror)


def random_history(seed: int, weights=WEIGHTS) -> History:
    """The history of a seed."""
    chance = random.Random(f"history {seed}")
    nodes = chance.choice((2, 2, 2, 3, 3, 4, 5))
    kinds = chance.choices(list(weights), list(weights.values()), k=chance.randint(4, 22))
    moments = sorted(round(chance.uniform(0.0, WINDOW_S), 3) for _ in kinds)
    if chance.random() < 0.3:  # everything at once
        moments = [round(moment / 10, 4) for moment in moments]
    events = tuple(_event(chance, moment, kind, nodes) for moment, kind in zip(moments, kinds, strict=True))
    return History(seed, nodes, events, _shape(seed, nodes), random.Random(f"mirror {seed}").random() < 0.2)


def clocks_run_ahead(seed: int, weights=WEIGHTS) -> History:
    """The history of a seed in which clocks jump often, and all run ahead from the beginning, each by its own years."""
    history, chance = random_history(seed, weights | {"clock": 10}), random.Random(f"ahead {seed}")
    numbers = chance.sample(range(7, 200, 6), history.nodes)  # odd, and no multiples of three: ahead, and by years
    ahead = (Event(0.0, "clock", node, number=number) for node, number in enumerate(numbers))
    return msgspec.structs.replace(history, events=(*ahead, *history.events))


def _shape(seed: int, nodes: int) -> str:
    """Drawn by itself, so that nothing else of a seed's history depends on it."""
    chance = random.Random(f"shape {seed}")
    if nodes < 3:
        return "mesh"
    return chance.choice(("mesh", "mesh", "chain", "star", "ring" if nodes > 3 else "mesh"))


def _event(chance: random.Random, at_s: float, kind: str, nodes: int) -> Event:
    other = chance.choice(PATHS) if "rename" in kind else chance.choice(POLICIES)
    if kind.startswith("cut") or kind == "reset":
        other = str(chance.randrange(nodes))
    return Event(
        at_s=at_s,
        kind=kind,
        node=chance.randrange(nodes),
        path=chance.choice(PATHS),
        other=other,
        number=chance.randrange(1, 200),
        lasts_s=round(chance.choice((0.05, 0.5, 2.0, 8.0)) * chance.random(), 3),
    )
