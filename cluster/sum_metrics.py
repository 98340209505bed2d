"""Adds up the metrics of a node's workers, those that have gone included."""

from collections.abc import Iterable
from typing import Final

import msgspec

_COUNTING: Final = frozenset({"counter", "histogram"})


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """One number of a family, with its labels."""

    name: str
    labels: dict[str, str]
    value: float


class Family(msgspec.Struct, frozen=True, array_like=True):
    """A metric; `kind` as Prometheus names it."""

    name: str
    kind: str
    help: str
    samples: tuple[Sample, ...]


def summed(metrics: Iterable[tuple[Family, ...]]) -> tuple[Family, ...]:
    """One set of families whose samples are the sums, in the order in which they were first met."""
    families: dict[str, Family] = {}
    values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for family in (family for one in metrics for family in one):
        families.setdefault(family.name, family)
        sums = values.setdefault(family.name, {})
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            sums[key] = sums.get(key, 0.0) + sample.value
    return tuple(
        msgspec.structs.replace(
            family,
            samples=tuple(Sample(key[0], dict(key[1]), value) for key, value in values[name].items()),
        )
        for name, family in families.items()
    )


def left_behind(metrics: tuple[Family, ...]) -> tuple[Family, ...]:
    """What still counts of a worker that has gone: what only grows, not what it was at the moment."""
    return tuple(family for family in metrics if family.kind in _COUNTING)
