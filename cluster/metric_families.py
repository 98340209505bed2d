"""The metrics of several processes as Prometheus' own library collects and writes them."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from cluster.sum_metrics import Family, Sample


def families_of(registry: CollectorRegistry) -> tuple[Family, ...]:
    """All metrics of a registry, as they are now."""
    return tuple(
        Family(
            metric.name,
            metric.type,
            metric.documentation,
            tuple(
                Sample(sample.name, sample.labels, sample.value)
                for sample in metric.samples
                if not sample.name.endswith("_created")  # moments, which do not add up
            ),
        )
        for metric in registry.collect()
    )


class SummedMetrics(Collector):
    """Sums that somebody else makes."""

    def __init__(self, families: Callable[[], Iterable[Family]]) -> None:
        self._families = families

    @override
    def collect(self) -> Iterable[Metric]:
        return [_metric(family) for family in self._families()]


def _metric(family: Family) -> Metric:
    metric = Metric(family.name, family.help, family.kind)
    for sample in family.samples:
        metric.add_sample(sample.name, sample.labels, sample.value)
    return metric
