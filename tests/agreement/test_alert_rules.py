"""The alert rules that the documentation offers ask for metrics that there are, with labels that they have."""

import re
from pathlib import Path

import pytest
import yaml

from balancer.metrics import CanaryGauges
from cluster.health import CanaryTrip
from replicator.measures import Measures

DOCS = Path(__file__).parents[2] / "docs"
RULES = yaml.safe_load((DOCS / "prometheus/tripod.rules.yml").read_text())
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]


def of_a_replicator() -> dict[str, set[str]]:
    """Every series that it can have, with its labels."""
    found = {}
    for metric in vars(Measures()).values():
        described = getattr(metric, "describe", None)
        if described is None or not hasattr(metric, "_labelnames"):
            continue
        (family,) = described()
        labels = set(metric._labelnames)
        for suffix in {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",)):
            found[family.name + suffix] = labels | {"instance"} | ({"le"} if suffix == "_bucket" else set())
    return found


def of_a_balancers_canaries() -> dict[str, set[str]]:
    """The same of them."""
    trips = [CanaryTrip(source="node1", target="node2", delay_s=0.5), CanaryTrip(source="node2", target="node1")]
    samples = [sample for family in CanaryGauges(lambda: trips).collect() for sample in family.samples]
    return {sample.name: {*sample.labels, "instance"} for sample in samples}


@pytest.mark.parametrize("alert", ALERTS, ids=[alert["alert"] for alert in ALERTS])
def test_an_alert_asks_for_metrics_and_labels_that_there_are(alert):
    assert set(alert) <= {"alert", "expr", "for", "labels", "annotations"}
    assert alert["labels"]["severity"] in {"info", "warning", "critical"}
    series = set(re.findall(r"\b(?:tripod|balancer)_\w+", alert["expr"]))
    known = of_a_replicator() | of_a_balancers_canaries()
    labels = {"instance", "peer"} if not series else set.union(*(known[name] for name in series))
    told = " ".join(alert["annotations"].values())
    assert set(re.findall(r"\$labels\.(\w+)", told)) <= labels
    assert set(alert["annotations"]) == {"summary", "action"}
    assert alert["expr"].count("(") == alert["expr"].count(")")


def test_no_alert_stands_twice_and_all_are_documented():
    names = [alert["alert"] for alert in ALERTS]
    assert len(names) == len(set(names))
    page = (DOCS / "operations.md").read_text()
    assert [name for name in names if f"`{name}`" not in page] == []


def test_every_metric_of_a_replicator_is_documented():
    page = (DOCS / "operations.md").read_text()
    names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in of_a_replicator()}
    assert sorted(name for name in names if name not in page) == []
