"""A new cluster: it checks as good, its secrets are private, and nothing is ever overwritten."""

import ssl
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509

from cluster.clock import utc_now
from cluster.password import password_is_right
from cluster.read_settings import read_settings
from compose.command import main
from compose.new_cluster import ACCOUNTS, network_plan, write_cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("new") / "cluster"
    return folder, write_cluster(folder, network_plan("test", 3), utc_now())


def test_everything_secret_is_private(cluster) -> None:
    folder, _ = cluster
    secret = [*folder.glob("keys/*.key"), folder / "keys/management.token", folder / "keys/sftp_host_ed25519"]
    assert len(secret) == 8
    assert {path.stat().st_mode & 0o777 for path in secret} == {0o600}
    assert (folder / "keys").stat().st_mode & 0o777 == 0o700


def test_passwords_fit_old_receivers_and_are_stored_only_as_hashes(cluster) -> None:
    folder, passwords = cluster
    text = (folder / "cluster.yaml").read_text()
    settings = read_settings(folder / "cluster.yaml")
    for account in ACCOUNTS:
        assert len(account) <= 12
        assert len(passwords[account]) <= 15
        assert passwords[account] not in text
        assert password_is_right(settings.accounts[account].password, passwords[account])


def test_every_certificate_is_signed_by_the_cluster_and_names_its_host(cluster) -> None:
    folder, _ = cluster
    settings = read_settings(folder / "cluster.yaml")
    authority = x509.load_pem_x509_certificate(settings.cluster.ca.read_bytes())
    for name, node in settings.nodes.items():
        certificate = x509.load_pem_x509_certificate(node.certificate.read_bytes())
        certificate.verify_directly_issued_by(authority)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [name]
        assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == [node.address]
        ssl.create_default_context().load_cert_chain(node.certificate, node.key)


def test_init_shows_the_passwords_once_and_check_finds_all_files(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shown = CliRunner().invoke(main, ["init", str(folder), "--nodes", "2"])
    assert shown.exit_code == 0
    assert all(account in shown.output for account in ACCOUNTS)
    for host in ("node1", "node2", "balancer"):
        checked = CliRunner().invoke(main, ["check", str(folder / "cluster.yaml"), "--host", host])
        assert (checked.exit_code, "is good" in checked.output) == (0, True)


def test_init_never_overwrites_a_cluster(tmp_path: Path) -> None:
    CliRunner().invoke(main, ["init", str(tmp_path / "mine")])
    before = (tmp_path / "mine/cluster.yaml").read_bytes()
    again = CliRunner().invoke(main, ["init", str(tmp_path / "mine")])
    assert again.exit_code == 1
    assert "holds a cluster already" in again.output
    assert (tmp_path / "mine/cluster.yaml").read_bytes() == before


def test_check_says_each_mistake_on_a_line_and_fails(tmp_path: Path) -> None:
    CliRunner().invoke(main, ["init", str(tmp_path)])
    file = tmp_path / "cluster.yaml"
    file.write_text(file.read_text().replace("tls: required", "tls: requird").replace("rise: 2", "rise: 0"))
    checked = CliRunner().invoke(main, ["check", str(file)])
    assert checked.exit_code == 1
    assert checked.output.count("—") == 2
    assert checked.output.endswith("2 mistakes\n")


def test_check_finds_a_missing_key(tmp_path: Path) -> None:
    CliRunner().invoke(main, ["init", str(tmp_path)])
    (tmp_path / "keys/node1.key").unlink()
    checked = CliRunner().invoke(main, ["check", str(tmp_path / "cluster.yaml"), "--host", "node1"])
    assert checked.exit_code == 1
    assert "nodes.node1.key" in checked.output
    assert checked.output.count("\n") == 2
