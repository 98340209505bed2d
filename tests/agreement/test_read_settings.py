"""cluster.yaml: every mistake is reported with its place and the fix, and nothing but ConfigError comes out."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.problem import ConfigError
from cluster.read_settings import examine_settings, read_settings
from cluster.settings import Right
from compose.new_cluster import network_plan, render

GOOD = render(network_plan("test", 2), {"station": "a", "lansurvey": "b", "servicedesk": "c"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cluster.yaml"


def test_a_new_file_is_good_and_typed(file: Path) -> None:
    file.write_text(GOOD)
    read = read_settings(file)
    assert read.accounts["anonymous"].rights == (Right.READ,)
    assert read.accounts["anonymous"].password is None
    assert read.nodes["node2"].address == "127.0.0.12"
    assert read.balancer.services["public"].site == "public"


def test_relative_paths_start_at_the_folder_of_the_file(file: Path) -> None:
    file.write_text(GOOD)
    assert read_settings(file).nodes["node1"].root == file.parent / "node1/root"


MISTAKES = [
    ("interval_s: 0.5", "canary_interval_s: never", "balancer.probe.canary_interval_s", "a value of that kind"),
    ("interval_s: 0.5", "canary_interval_s: -1", "balancer.probe.canary_interval_s", "a value of that kind"),
    ("  mode: full-mesh", "  mode: full-mesh\n  exclude: ['*.tmp', '/x']", "replication.exclude[1]", "scratch/**"),
    ("  mode: full-mesh", "  mode: full-mesh\n  exclude: ['**']", "replication.exclude[0]", "scratch/**"),
    ("  mode: full-mesh", "  mode: full-mesh\n  include: ['a//b']", "replication.include[0]", "scratch/**"),
    ("    port: 2122", "    port: 2122\n    sftp_port: 2121", "sites.public.sftp_port", "give it its own"),
    ("    port: 2122", "    port: 2122\n    implicit_port: 2121", "sites.public.implicit_port", "give it its own"),
    ("    port: 2122", "    port: 2122\n    implicit_port: 2122", "sites.public.implicit_port", "give it its own"),
    ("    port: 2122", "    port: 2122\n    implicit_port: 8021", "nodes.node1.management_port", "choose a free one"),
    ("    port: 2122", "    port: 2122\n    implicit_port: 30005", "nodes.node1.passive_ports", "move the range"),
    ("port: 2122, pers", "port: 2122, implicit_port: 2121, pers", "balancer.services.public.implicit_port", "choose"),
    ("port: 2122, pers", "port: 2122, implicit_port: 22005, pers", "balancer.services.public.implicit_port", "move"),
    ("port: 2122, pers", "port: 2122, implicit_port: 8021, pers", "balancer.services.public.implicit_port", "choose"),
    ("  ca: keys/ca.crt", "  ca: keys/ca.crt\n  client_ca: keys/ca.crt", "cluster.client_ca", "signs clients alone"),
    (
        "  tls: required",
        "  tls: required\n    client_certificate: required",
        "accounts.servicedesk.client_certificate",
        "pin it in client_fingerprints",
    ),
    (
        "  tls: required",
        "  tls: required\n    client_certificate: always",
        "accounts.servicedesk.client_certificate",
        "use one of: no, optional, required",
    ),
    (
        "  tls: required",
        f"  tls: required\n    client_fingerprints: ['{'ab' * 32}']",
        "accounts.servicedesk.client_fingerprints",
        "write `client_certificate: required`",
    ),
    (
        "  tls: required",
        f"  tls: required\n    client_certificate: required\n    client_fingerprints: ['{'ab' * 20}']",
        "accounts.servicedesk.client_fingerprints[0]",
        "-fingerprint -sha256",
    ),
    (
        "    rights: [read]",
        f"    rights: [read]\n    client_certificate: optional\n    client_fingerprints: ['{'ab' * 32}']",
        "accounts.anonymous.client_certificate",
        "give it a password",
    ),
    ("    port: 2122", "    port: 2122\n    sftp_port: 8021", "nodes.node1.management_port", "choose a free one"),
    ("    port: 2122", "    port: 2122\n    sftp_port: 30005", "nodes.node1.passive_ports", "move the range"),
    (
        "  tls: required",
        "  tls: required\n    public_keys: [ssh-dss]",
        "accounts.servicedesk.public_keys[0]",
        "paste the line",
    ),
    ("tls: optional", "tls: optinal", "accounts.station.tls", "use one of: optional, required"),
    ("policy: any-peer", "polcy: any-peer", "accounts.station.polcy", "did you mean `policy`?"),
    ("rights: [read]", "rights: [read, fly]", "accounts.anonymous.rights[1]", "use one of: read, write"),
    ("rights: [read]", "rights: [read, write]", "accounts.anonymous.rights", "leave `read` alone"),
    ("home: /Data", "home: /../etc", "accounts.lansurvey.home", "write it as /Station"),
    ("home: /Data", "home: /.tripod", "accounts.lansurvey.home", "write it as /Station"),
    ("accounts: [anonymous]", "accounts: [anonymus]", "sites.public.accounts[0]", "use one of: station"),
    ("accounts: [anonymous]", "accounts: anonymous", "sites.public.accounts", "write it as [one, two]"),
    ("    port: 2122", "    port: 2121", "sites.public.port", "give it its own"),
    ("    port: 2122", "    port: 70000", "sites.public.port", "write a value of that kind"),
    ("    port: 2122", "    port: high", "sites.public.port", "write a value of that kind"),
    ("  vip: 127.0.0.10", "  vip: nowhere", "balancer.vip", "write an address"),
    ("first: 30000, last: 30999", "first: 30999, last: 30000", "nodes.node1.passive_ports", "swap them"),
    ("last: 30999}", "last: 30002}\n    workers: 4", "nodes.node1.passive_ports", "have fewer workers"),
    ("first: 30000, last: 30999", "first: 2000, last: 3000", "nodes.node1.passive_ports", "move the range"),
    ("state: node1/state", "state: node1/root/state", "nodes.node1.state", "beside the root"),
    ("state: node1/state", "state: " + "long/" * 25, "nodes.node1.state", "choose a shorter folder"),
    ("root: node2/root", "root: node1/root", "nodes.node2.root", "a root of its own"),
    ("address: 127.0.0.12", "address: 127.0.0.11", "nodes.node2.address", "an address of its own"),
    ("root: node2/root", "root: node2/root\n    weight: 0", "nodes.node2.weight", "write a value of that kind"),
    ("port: 2122, pers", "port: 2122, scheduler: fastest, pers", "balancer.services.public.scheduler", "least-bytes"),
    (
        "port: 2122, pers",
        "port: 2122, persistence_prefix_v4: 33, pers",
        "balancer.services.public.persistence_prefix_v4",
        "write a value of that kind",
    ),
    (
        "port: 2122, pers",
        "port: 2122, hosts: {a.example: pubic}, pers",
        "balancer.services.public.hosts.a.example",
        "use one of: ingest, public",
    ),
    ("port: 2122, pers", "port: 2122, pool: fast, pers", "balancer.services.public.pool", "no pool yet"),
    (
        "port: 2122, pers",
        "port: 2122, routes: [{pool: a, accounts: [station]}], pers",
        "balancer.services.public.routes[0].accounts",
        "use one of: anonymous",
    ),
    (
        "port: 2122, pers",
        "port: 2122, routes: [{pool: a, networks: [192.0.2.1/24]}], pers",
        "balancer.services.public.routes[0].networks",
        "write a network",
    ),
    (
        "port: 2122, pers",
        "port: 2122, routes: [{pool: a}, {pool: a}], pers",
        "balancer.services.public.routes[0]",
        "make it the last",
    ),
    (
        "port: 2122, pers",
        "port: 2122, commands: {anonymous: [QUIT]}, pers",
        "balancer.services.public.commands.anonymous",
        "use one of: APPE",
    ),
    (
        "port: 2122, pers",
        "port: 2122, commands: {station: upload}, pers",
        "balancer.services.public.commands",
        "use one of: anonymous",
    ),
    (
        "  vip: 127.0.0.10",
        "  vip: 127.0.0.10\n  pools: {a: {nodes: [node9]}}",
        "balancer.pools.a.nodes",
        "use one of: node1, node2",
    ),
    (
        "  vip: 127.0.0.10",
        "  vip: 127.0.0.10\n  pools: {a: {nodes: [node1], backup: [node1]}}",
        "balancer.pools.a.backup",
        "leave it in one",
    ),
    *(
        ("port: 2122, pers", f"port: 2122, tls: pass-through, {more}, pers", f"balancer.services.public.{where}", fix)
        for more, where, fix in (
            ("commands: {anonymous: download}", "commands", "write `tls: end`"),
            ("hosts: {a.example: ingest}", "hosts", "write `tls: end`"),
            ("reads: any", "reads", "write `tls: end`"),
            ("routes: [{pool: a, accounts: [anonymous]}]", "routes[0].accounts", "write `tls: end`"),
            ("implicit_port: 990", "implicit_port", "give sites.public an implicit_port"),
        )
    ),
    (
        "2121, persistence: client",
        "2121, tls: pass-through, persistence: account",
        "balancer.services.ingest.persistence",
        "`tls: end`",
    ),
    ("2122, pers", "2122, tls: pass-through, pers", "nodes.node2.passive_ports", "a range of its own"),
    (
        "none}\n  passive_ports: {first: 22000, last: 22999}",
        "none, tls: pass-through}\n  passive_ports: {first: 30999, last: 31000}",
        "nodes.node1.passive_ports",
        "move one",
    ),
    (
        "2122, pers",
        "2122, implicit_port: 30001, tls: pass-through, pers",
        "nodes.node1.passive_ports",
        "move the range",
    ),
    *(
        ("  vip: 127.0.0.10", f"  transparent: true\n  vip: {vip}", where, "drop `balancer.transparent`")
        for vip, where in (
            ("127.0.0.10", "balancer.node_tls"),
            ("127.0.0.10", "accounts.servicedesk.tls"),
            ("'::1'", "nodes.node1.address"),
        )
    ),
    (
        "none}\n  passive_ports: {first: 22000",
        "none, tls: pass-through}\n  transparent: true\n  passive_ports: {first: 22000",
        "balancer.services.public.tls",
        "write `tls: end`",
    ),
    ("site: public", "site: pubic", "balancer.services.public.site", "use one of: ingest, public"),
    ("source_addresses: [127.0.0.10]", "source_addresses: []", "balancer.source_addresses", "name the addresses"),
    (
        "source_addresses: [127.0.0.10]",
        "source_addresses: ['::1']",
        "balancer.source_addresses",
        "add the balancer's IPv4 address",
    ),
    (
        "source_addresses: [127.0.0.10]",
        "source_addresses: [127.0.0.10, '0:0::1']",
        "balancer.source_addresses[1]",
        "write ::1",
    ),
    ("mode: full-mesh", "mode: none\n  names: refuse", "replication.names", "use `names: exact`"),
    *(
        ("mode: full-mesh", f"mode: full-mesh\n  modes: {modes}", f"replication.modes{where}", fix)
        for modes, where, fix in (
            ("keeep", "", "use one of: keep"),
            ("[keep]", "", ""),
            ("{files: 0640}", ".files", "write it in quotes"),
            ("{files: '0440'}", ".files", ""),
            ("{folders: '0640'}", ".folders", ""),
            ("{files: '4644'}", ".files", ""),
        )
    ),
    ("mode: full-mesh", "mode: half-mesh", "replication.mode", "use one of: connections, full-mesh, none"),
    *(
        ("mode: full-mesh", f"mode: {mode}\n  connections: {connections}", f"replication.connections{where}", fix)
        for mode, connections, where, fix in (
            ("full-mesh", "[[node1, node2]]", "", "write `mode: connections`"),
            ("connections", "[]", "", "add a pair such as [node1, node2]"),
            ("connections", "[[node1, node9]]", "[0]", "use two of: node1, node2"),
            ("connections", "[[node1, node1]]", "[0]", "name two nodes"),
            ("connections", "[[node1]]", "[0]", "write a value of that kind"),
            ("connections", "[[node1, node2], [node2, node1]]", "[1]", "drop one"),
        )
    ),
    *(
        ("mode: full-mesh", f"mode: full-mesh\n  links: [{links}]", f"replication.links{where}", fix)
        for links, where, fix in (
            ("{from: node1, to: node9}", "[0].to", "use one of: node1, node2"),
            ("{from: node1, to: node1}", "[0].to", "name two nodes"),
            ("{from: node1, to: node2}, {from: node1, to: node2}", "[1]", "put both into one"),
            ("{from: node1, to: node2, bytes_per_s: 0}", "[0].bytes_per_s", ""),
            ("{from: node1, to: node2, compression: yes}", "[0].compression", ""),
            (
                "{from: node1, to: node2, schedule: [{from: '8', to: '24:00', bytes_per_s: 1}]}",
                "[0].schedule[0].from",
                "",
            ),
            (
                "{from: node1, to: node2, schedule: [{from: '08:00', to: '08:00', bytes_per_s: 1}]}",
                "[0].schedule[0].to",
                "00:00 to 24:00",
            ),
            (
                "{from: node1, to: node2, schedule: [{days: [Mon], from: '08:00', to: '09:00', bytes_per_s: 1}]}",
                "[0].schedule[0].days[0]",
                "mon",
            ),
        )
    ),
    ("  token_key: keys/token.key", "  # gone", "cluster.token_key", "add it"),
    ("limits:", 'upgrade: {node_command: "ssh \'x"}\nlimits:', "upgrade.node_command", "ssh {address} systemctl"),
    ("limits:", "upgrade: {node_command: 'ssh {host}'}\nlimits:", "upgrade.node_command", "no other braces"),
    ("limits:", "upgrade: {node_command: ''}\nlimits:", "upgrade.node_command", "write a command"),
    ("  vip:", "  workers: 0\n  vip:", "balancer.workers", "write a value of that kind"),
    (
        "passive_ports: {first: 22000, last: 22999}",
        "passive_ports: {first: 22000, last: 22002}\n  workers: 4",
        "balancer.passive_ports",
        "have fewer workers",
    ),
    ("limits:", "limit:", "limit", "did you mean `limits`?"),
    ('greeting: "test ingest', 'greeting: "a\\nb', "sites.ingest.greeting", "write one line"),
]


@pytest.mark.parametrize(
    ("old", "new", "where", "fix"), MISTAKES, ids=[mistake[2] + mistake[1] for mistake in MISTAKES]
)
def test_a_mistake_is_reported_with_its_line_its_path_and_the_fix(
    file: Path, old: str, new: str, where: str, fix: str
) -> None:
    assert old in GOOD
    file.write_text(GOOD.replace(old, new, 1))
    _, problems = examine_settings(file)
    found = {problem.where.partition(": ")[2]: problem for problem in problems}
    assert where in found, problems
    assert fix in found[where].fix
    assert found[where].where.startswith(str(file))


def test_one_mistake_does_not_hide_another(file: Path) -> None:
    file.write_text(GOOD.replace("tls: required", "tls: yes please").replace("interval_s: 0.5", "interval_s: -1"))
    _, problems = examine_settings(file)
    assert {problem.where.partition(": ")[2] for problem in problems} == {
        "accounts.servicedesk.tls",
        "balancer.probe.interval_s",
    }


def test_a_password_written_in_clear_is_refused_and_not_repeated(file: Path) -> None:
    lines = GOOD.splitlines()
    number = next(number for number, line in enumerate(lines) if "password:" in line and "argon2" in line)
    lines[number] = '    password: "hunter2hunter2"'
    file.write_text("\n".join(lines))
    _, (problem,) = examine_settings(file)
    assert "tripod password" in problem.fix
    assert "hunter2" not in str(problem)


def test_several_workers_with_quotas_want_a_replicator_that_counts_for_all(file: Path) -> None:
    good = GOOD.replace("last: 30999}", "last: 30999}\n    workers: 2", 1)
    good = good.replace("home: /Data\n", "home: /Data\n    limits: {quota_bytes: 1000}\n", 1)
    file.write_text(good)
    assert read_settings(file).nodes["node1"].workers == 2
    file.write_text(good.replace("mode: full-mesh", "mode: none"))
    _, (problem,) = examine_settings(file)
    assert "nodes.node1.workers" in problem.where


def test_an_sftp_port_wants_a_host_key(file: Path) -> None:
    good = GOOD.replace("    port: 2121", "    port: 2121\n    sftp_port: 2221", 1)
    file.write_text(good)
    assert read_settings(file).sites["ingest"].sftp_port == 2221
    file.write_text(good.replace("  sftp_host_key:", "  # sftp_host_key:"))
    _, (problem,) = examine_settings(file)
    assert problem.where.endswith("cluster.sftp_host_key")
    assert "ssh-keygen" in problem.fix


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"", "is empty"),
        (b"cluster: [", "is not YAML"),
        (b"cluster: {name: a, name: b}", "is there twice"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (b"just text", "where a mapping belongs"),
        (b"- a\n- b\n", "where a mapping belongs"),
        (b"[" * 5000, "is not YAML"),
        (b"!!python/object/apply:os.system ['true']", "is not YAML"),
    ],
)
def test_a_file_that_is_no_cluster_is_said_in_one_line(file: Path, text: bytes, what: str) -> None:
    file.write_bytes(text)
    with pytest.raises(ConfigError) as error:
        read_settings(file)
    assert what in str(error.value)


def test_a_missing_file_is_said_in_one_line(file: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_settings(file)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(start=st.integers(0, len(GOOD)), length=st.integers(0, 40), put=st.text(max_size=12))
def test_no_damage_to_the_file_brings_anything_but_a_config_error(
    file: Path, start: int, length: int, put: str
) -> None:
    file.write_text(GOOD[:start] + put + GOOD[start + length :], encoding="utf-8", errors="surrogatepass")
    settings_or_none, problems = examine_settings(file)
    assert settings_or_none is not None or problems


def test_off_is_a_word_and_no_boolean(file: Path) -> None:
    good = GOOD.replace("  vip: 127.0.0.10", "  vip: 127.0.0.10\n  node_tls: off", 1)
    file.write_text(good.replace("tls: optional", "tls: optional\n    data_tls_resumption: off", 1))
    settings = read_settings(file)
    assert settings.balancer.node_tls == "off"
    assert settings.accounts["station"].data_tls_resumption.value == "off"
    assert settings.accounts["station"].compatibility.backslash_paths is True
