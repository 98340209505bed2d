"""The table of changes: which of them a running node follows, and which need a restart."""

from pathlib import Path

import msgspec
import pytest

from cluster.balancer_settings import Balancer
from cluster.replication_settings import Replication
from cluster.settings import Account, Cluster, Limits, Node, Right, Settings, Site
from cluster.settings_values import Ports
from ftpnode.core.reload import changed_sections, needs_restart

replace = msgspec.structs.replace
ACCOUNT = Account(home="/Data", rights=(Right.READ,))
SITE = Site(port=21, accounts=("anonymous",))
NODE = Node(
    address="192.0.2.1",
    root=Path("/root"),
    state=Path("/state"),
    certificate=Path("/crt"),
    key=Path("/key"),
    passive_ports=Ports(first=5000, last=5009),
)
OLD = Settings(
    cluster=Cluster(name="c", ca=Path("/ca"), token_key=Path("/token"), management_token=Path("/management")),
    accounts={"anonymous": ACCOUNT},
    sites={"public": SITE},
    nodes={"one": NODE, "two": NODE},
    balancer=Balancer(
        vip="192.0.2.10",
        certificate=Path("/crt"),
        key=Path("/key"),
        services={},
        passive_ports=Ports(first=5000, last=5009),
        source_addresses=("192.0.2.10",),
    ),
)

FOLLOWED = {
    "nothing": {},
    "accounts": {"accounts": {"anonymous": ACCOUNT, "other": ACCOUNT}},
    "limits": {"limits": Limits(sessions=5, ban_failures=9)},
    "greeting": {"sites": {"public": replace(SITE, greeting="Hello.")}},
    "who may log in": {"sites": {"public": replace(SITE, accounts=())}},
    "another certificate": {"nodes": {"one": replace(NODE, certificate=Path("/new")), "two": NODE}},
    "passive ports": {"nodes": {"one": replace(NODE, passive_ports=Ports(first=6000, last=6009)), "two": NODE}},
    "another node": {"nodes": {"one": NODE, "two": replace(NODE, address="192.0.2.2"), "three": NODE}},
    "the clients' authority": {"cluster": replace(OLD.cluster, client_ca=Path("/clients"))},
    "the balancer": {"balancer": replace(OLD.balancer, source_addresses=("192.0.2.11",))},
}
REFUSED = {
    "sites.public.implicit_port": {"sites": {"public": replace(SITE, implicit_port=990)}},
    "nodes.one": {"nodes": {"two": NODE}},
    "nodes.one.address": {"nodes": {"one": replace(NODE, address="192.0.2.2")}},
    "nodes.one.root": {"nodes": {"one": replace(NODE, root=Path("/other"))}},
    "nodes.one.state": {"nodes": {"one": replace(NODE, state=Path("/other"))}},
    "nodes.one.workers": {"nodes": {"one": replace(NODE, workers=2)}},
    "nodes.one.management_port": {"nodes": {"one": replace(NODE, management_port=9000)}},
    "sites.public.port": {"sites": {"public": replace(SITE, port=22)}},
    "sites.ingest": {"sites": {"public": SITE, "ingest": replace(SITE, port=22)}},
    "sites.public": {"sites": {}},
    "cluster": {"cluster": replace(OLD.cluster, name="d")},
    "replication.mode": {"replication": Replication(mode="none")},
    "replication.disk_reserve_bytes": {"replication": Replication(disk_reserve_bytes=1)},
    "limits.password_checks_at_once": {"limits": Limits(password_checks_at_once=9)},
    "limits.publishes_at_once": {"limits": Limits(publishes_at_once=9)},
}


@pytest.mark.parametrize("what", FOLLOWED)
def test_a_running_node_follows(what):
    assert needs_restart(OLD, replace(OLD, **FOLLOWED[what]), "one") == ()


@pytest.mark.parametrize("where", REFUSED)
def test_a_restart_is_asked_for(where):
    (problem,) = needs_restart(OLD, replace(OLD, **REFUSED[where]), "one")
    assert problem.where == where


def test_every_mistake_is_said_at_once():
    new = replace(OLD, **REFUSED["sites.public.port"], **REFUSED["cluster"], **REFUSED["replication.mode"])
    assert len(needs_restart(OLD, new, "one")) == 3


def test_the_changed_sections_are_named():
    assert changed_sections(OLD, OLD) == ()
    assert changed_sections(OLD, replace(OLD, **FOLLOWED["limits"], **FOLLOWED["greeting"])) == ("sites", "limits")
