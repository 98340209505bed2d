"""Tables for the small decisions: addresses, leases, node choice, health, what another node's tree says."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancer.core.data_address import (
    advertised_address,
    eprt_target,
    epsv_port,
    epsv_text,
    may_connect,
    pasv_port,
    pasv_text,
    port_target,
)
from balancer.core.facts import Absent, Facts, Unknown, read_facts
from balancer.core.leases import Leases
from balancer.core.node_commands import judge as judge_change
from balancer.core.node_health import (
    NodeHealth,
    ProbeFailed,
    ProbePassed,
    after_failed_connection,
    after_probe,
    probes_to_rise,
)
from balancer.core.reply import Reply
from balancer.core.upload import Doubt
from balancer.core.upload import judge as judge_upload
from cluster.balancer_settings import Advertised, Probe
from cluster.health import NodeState


@given(st.integers(1, 65535))
def test_ports_read_back_from_both_passive_replies(port: int) -> None:
    assert pasv_port(pasv_text("192.0.2.1", port)) == port
    assert epsv_port(epsv_text(port)) == port


@pytest.mark.parametrize(
    ("argument", "target"),
    [
        ("127,0,0,1,4,1", ("127.0.0.1", 1025)),
        ("127,0,0,256,4,1", None),
        ("127,0,0,1,4", None),
        ("", None),
    ],
)
def test_port_arguments(argument: str, target: tuple[str, int] | None) -> None:
    assert port_target(argument) == target


@pytest.mark.parametrize(
    ("argument", "target"),
    [
        ("|1|192.0.2.1|6446|", ("192.0.2.1", 6446)),
        ("!2!2001:db8::1!6446!", ("2001:db8::1", 6446)),
        ("|2|192.0.2.1|6446|", None),
        ("|1|192.0.2.1|66000|", None),
        ("|1|host|6446|", None),
        ("|1|192.0.2.1|²|", None),
        ("", None),
    ],
)
def test_eprt_arguments(argument: str, target: tuple[str, int] | None) -> None:
    assert eprt_target(argument) == target


@pytest.mark.parametrize(
    ("target", "allowed"),
    [(("192.0.2.7", 1024), True), (("192.0.2.7", 1023), False), (("192.0.2.8", 4000), False)],
)
def test_a_data_connection_goes_to_the_client_alone(target: tuple[str, int], allowed: bool) -> None:
    assert may_connect(target, "192.0.2.7") is allowed


def test_the_passive_address_is_what_the_clients_network_is_told() -> None:
    told = (Advertised(clients="10.0.0.0/8", address="10.9.9.9"),)
    assert advertised_address(told, "10.1.2.3", "192.0.2.10") == "10.9.9.9"
    assert advertised_address(told, "11.1.2.3", "192.0.2.10") == "192.0.2.10"


def test_a_port_is_lent_to_many_addresses_but_once_to_each() -> None:
    leases = Leases([1, 2])
    chance = random.Random(0).randrange
    ports = {leases.grant("a", 0.0, 10.0, chance).port for _ in range(2)}
    assert ports == {1, 2}
    assert leases.grant("a", 0.0, 10.0, chance) is None
    other = leases.grant("b", 0.0, 10.0, chance)
    assert other is not None
    assert leases.claim(other.port, "c", 1.0) is None
    assert leases.claim(other.port, "b", 1.0) is other
    assert leases.claim(other.port, "b", 1.0) is None


def test_a_lease_ends_by_itself_and_a_late_release_takes_nothing_away() -> None:
    leases = Leases([1])
    old = leases.grant("a", 0.0, 10.0, lambda _: 0)
    assert leases.grant("a", 9.9, 10.0, lambda _: 0) is None
    new = leases.grant("a", 10.0, 10.0, lambda _: 0)
    assert new is not None
    leases.release(old)
    assert leases.claim(1, "a", 11.0) is new
    assert leases.free == 1


@given(st.lists(st.sampled_from(["grant a", "grant b", "claim a", "claim b"]), max_size=30), st.integers(0, 99))
def test_leases_are_counted_right(moves: list[str], seed: int) -> None:
    leases = Leases(range(3))
    chance = random.Random(seed)
    for move in moves:
        verb, client = move.split()
        if verb == "grant":
            leases.grant(client, 0.0, 1.0, chance.randrange)
        else:
            leases.claim(chance.randrange(3), client, 0.0)
    held = sum(len(holders) for holders in leases._by_port.values())
    assert leases.free == max(0, 3 - held)


PROBE = Probe(rise=2, fall=2)
GOOD, BAD, SILENT = ProbePassed(NodeState.READY), ProbeFailed("no"), ProbeFailed("no answer", silent=True)


@pytest.mark.parametrize(
    ("probes", "up"),
    [
        ([], True),
        ([BAD], True),
        ([BAD, BAD], False),
        ([BAD, GOOD, BAD], True),
        ([BAD, BAD, GOOD], False),
        ([BAD, BAD, GOOD, BAD, GOOD], False),
        ([BAD, BAD, GOOD, GOOD], True),
        ([SILENT], False),
        ([BAD, SILENT], False),
        ([SILENT, GOOD, SILENT, GOOD], False),
        ([SILENT, GOOD, GOOD], True),
    ],
)
def test_rise_and_fall(probes: list[ProbePassed | ProbeFailed], up: bool) -> None:
    health = NodeHealth("a")
    for outcome in probes:
        health = after_probe(health, outcome, PROBE, 0.0)
    assert health.up is up
    assert health.usable is up


def fallen(times: int, apart_s: float) -> NodeHealth:
    health = NodeHealth("a")
    for number in range(times):
        health = after_probe(msgspec.structs.replace(health, up=True), SILENT, PROBE, number * apart_s)
    return health


@pytest.mark.parametrize(
    ("times", "apart_s", "wanted"),
    [(1, 10.0, 2), (2, 10.0, 4), (3, 10.0, 8), (9, 1.0, 64), (40, 1.0, 64), (3, 1000.0, 2)],
)
def test_a_node_that_flaps_must_prove_itself_for_longer_each_time(times, apart_s, wanted) -> None:
    health, now_s = fallen(times, apart_s), (times - 1) * apart_s
    assert probes_to_rise(health, PROBE, now_s) == wanted
    for _ in range(wanted - 1):
        health = after_probe(health, GOOD, PROBE, now_s)
        assert not health.up
    assert after_probe(health, GOOD, PROBE, now_s).up


def test_what_flapped_long_ago_is_forgiven() -> None:
    assert probes_to_rise(fallen(5, 1.0), PROBE, 3600.0) == PROBE.rise


def test_a_failed_connection_takes_a_node_out_at_once() -> None:
    health = after_failed_connection(NodeHealth("a"), "refused", 0.0)
    assert not health.usable
    assert after_probe(after_probe(health, GOOD, PROBE, 0.0), GOOD, PROBE, 0.0).usable


@pytest.mark.parametrize(
    ("answer", "lookup"),
    [
        (None, Unknown()),
        (Reply(550, ("550 none",)), Absent()),
        (Reply(500, ("500 what",)), Unknown()),
        (Reply(250, ("250-x", " Type=file;Size=12;Modify=1; a b;c=d", "250 x")), Facts("file", 12, "1")),
        (Reply(250, ("250-x", " size=12; a", "250 x")), Unknown()),
        (Reply(250, ("250-x", " type=dir; a", "250 x")), Facts("dir")),
    ],
)
def test_what_mlst_says(answer: Reply | None, lookup: object) -> None:
    assert read_facts(answer) == lookup


def file(size: int) -> Facts:
    return Facts("file", size)


@pytest.mark.parametrize(
    ("before", "after", "offset", "added", "doubt"),
    [
        (file(3), file(3), None, 5, Doubt.NOT_APPLIED),
        (file(3), file(8), None, 5, Doubt.APPLIED),
        (file(3), file(8), None, None, Doubt.UNKNOWN),
        (file(3), file(3), None, None, Doubt.NOT_APPLIED),
        (file(3), file(4), None, 5, Doubt.UNKNOWN),
        (Absent(), file(5), None, 5, Doubt.APPLIED),
        (Absent(), Absent(), None, 5, Doubt.NOT_APPLIED),
        (file(3), Absent(), None, 5, Doubt.UNKNOWN),
        (Unknown(), file(3), None, 5, Doubt.UNKNOWN),
        (file(3), Unknown(), None, 5, Doubt.UNKNOWN),
        (file(9), file(9), 4, 5, Doubt.NOT_APPLIED),
        (file(6), file(9), 4, 5, Doubt.APPLIED),
    ],
)
def test_whether_an_upload_that_adds_has_counted(before, after, offset, added, doubt) -> None:
    assert judge_upload(before, after, offset, added) is doubt


@pytest.mark.parametrize(
    ("verb", "source", "target", "code"),
    [
        ("MKD", None, Facts("dir"), 257),
        ("MKD", None, Absent(), None),
        ("MKD", None, file(1), None),
        ("DELE", None, Absent(), 250),
        ("DELE", None, file(1), None),
        ("RMD", None, Absent(), 250),
        ("RNTO", Absent(), file(1), 250),
        ("RNTO", file(1), Absent(), None),
        ("RNTO", file(1), file(2), None),
        ("RNTO", Absent(), Absent(), 451),
        ("DELE", None, Unknown(), 451),
        ("SITE", None, file(1), 451),
    ],
)
def test_whether_a_change_has_happened(verb, source, target, code) -> None:
    answer = judge_change(verb, "x", source, target)
    assert (answer.code if answer else None) == code
