"""Certificates: when an operator is warned, and what `tripod certs` says and exits with."""

import datetime
import json

import pytest
from click.testing import CliRunner

from cluster.clock import utc_now
from compose.authority import Authority
from compose.certificates import CertificateState, judge
from compose.command import main
from compose.new_cluster import network_plan, write_cluster

DAY = datetime.timedelta(days=1)
NOON = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("begins", "ends", "state"),
    [
        (NOON - DAY, NOON + 31 * DAY, CertificateState.GOOD),
        (NOON - DAY, NOON + 30 * DAY, CertificateState.GOOD),
        (NOON - DAY, NOON + 29.9 * DAY, CertificateState.ENDS_SOON),
        (NOON - DAY, NOON + 0.1 * DAY, CertificateState.ENDS_SOON),
        (NOON - DAY, NOON, CertificateState.EXPIRED),
        (NOON + DAY, NOON + 90 * DAY, CertificateState.NOT_YET_VALID),
    ],
)
def test_a_certificate_is_judged_by_the_moment(begins, ends, state):
    assert judge(begins, ends, NOON) is state


@pytest.fixture
def folder(tmp_path):
    write_cluster(tmp_path / "new", network_plan("test", 2), utc_now())
    return tmp_path / "new"


def certs(folder, *more):
    return CliRunner().invoke(main, ["certs", "--config", str(folder / "cluster.yaml"), *more])


def issued_days_ago(folder, days, name="node2"):
    authority = Authority("test", utc_now() - days * DAY)
    (folder / f"keys/{name}.crt").write_bytes(authority.issue(name, ()).certificate)


def test_all_certificates_of_a_new_cluster_are_good(folder):
    result = certs(folder, "--json")
    assert result.exit_code == 0
    found = {one["where"]: one for one in json.loads(result.stdout)}
    assert list(found) == ["cluster.ca", "nodes.node1", "nodes.node2", "balancer"]
    assert {one["state"] for one in found.values()} == {"good"}
    assert (found["nodes.node1"]["subject"], found["nodes.node1"]["issuer"]) == ("node1", "test Tripod CA")


def test_one_that_ends_soon_is_a_warning_and_one_that_expired_an_exit_status(folder):
    issued_days_ago(folder, 800)
    soon = certs(folder)
    assert soon.exit_code == 0
    assert "node2.crt ends in 24 days" in soon.stderr
    issued_days_ago(folder, 826)
    expired = certs(folder)
    assert expired.exit_code == 1
    assert "node2.crt is expired" in expired.stderr
    assert "nodes.node2\tnode2\ttest Tripod CA\t" in expired.stdout


def test_another_hosts_certificate_may_be_missing_and_a_broken_one_is_said(folder):
    (folder / "keys/node2.crt").unlink()
    assert certs(folder).exit_code == 0
    assert "not on this host" in certs(folder).stdout
    (folder / "keys/node2.crt").write_bytes(b"nothing")
    assert certs(folder).exit_code == 1
    assert "node2.crt is unreadable" in certs(folder).stderr


def test_the_authority_of_the_clients_is_listed_with_every_certificate_of_its_file(folder):
    file = folder / "cluster.yaml"
    file.write_text(file.read_text().replace("  token_key:", "  client_ca: keys/client-ca.crt\n  token_key:"))
    new, old = Authority("clients", utc_now()), Authority("former clients", utc_now() - 3640 * DAY)
    (folder / "keys/client-ca.crt").write_bytes(new.key_pair().certificate + old.key_pair().certificate)
    shown = certs(folder)
    assert shown.exit_code == 0
    assert "cluster.client_ca\tclients Tripod CA\t" in shown.stdout
    assert "cluster.client_ca\tformer clients Tripod CA\t" in shown.stdout
    assert "client-ca.crt ends in 9 days" in shown.stderr
