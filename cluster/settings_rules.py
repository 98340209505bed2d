"""The rules of cluster.yaml that one field alone cannot show: names that must exist, ports that must not meet.

Pure, but for `missing_files`, which looks at the disk and is asked for separately by who runs on that host.
"""

import ipaddress
import itertools
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cluster.balancer_rules import broken_routes
from cluster.balancer_settings import Balancer
from cluster.connection_rules import broken_connections
from cluster.fingerprint import read_fingerprint
from cluster.pass_through_rules import broken_pass_through
from cluster.password import is_password_hash
from cluster.problem import Problem
from cluster.public_key import key_blob
from cluster.publish import SOCKET_NAME
from cluster.selection import MATCHES_EVERYTHING, wrong_pattern
from cluster.settings import Account, Node, Right, Settings
from cluster.transparent_rules import broken_transparent
from cluster.tree_path import complaint

_MAX_SOCKET_PATH_BYTES: Final = 107  # sun_path of unix(7), less its NUL


def broken_rules(settings: Settings) -> tuple[Problem, ...]:
    """Every rule that these settings break, in the order of the file."""
    return (
        *_accounts(settings),
        *_client_certificates(settings),
        *_sites(settings),
        *_nodes(settings),
        *_balancer(settings),
        *broken_routes(settings),
        *broken_pass_through(settings),
        *broken_transparent(settings),
        *_policies(settings),
        *broken_connections(settings),
        *_links(settings),
        *_patterns(settings),
        *_networks("limits.ban_exempt", settings.limits.ban_exempt),
        *_upgrade(settings.upgrade.node_command),
    )


def missing_files(files: dict[str, Path]) -> tuple[Problem, ...]:
    """The files (by their path in the settings) that cannot be read on this host."""
    fix = "`tripod init` writes keys and certificates; or mend the path"
    return tuple(Problem(where, f"{path} is not there", fix) for where, path in files.items() if not path.is_file())


def node_files(settings: Settings, name: str) -> dict[str, Path]:
    """The files that the programs of node `name` need."""
    node = settings.nodes[name]
    host_key = settings.cluster.sftp_host_key
    return {
        "cluster.ca": settings.cluster.ca,
        "cluster.token_key": settings.cluster.token_key,
        "cluster.management_token": settings.cluster.management_token,
        f"nodes.{name}.certificate": node.certificate,
        f"nodes.{name}.key": node.key,
        **({"cluster.sftp_host_key": host_key} if host_key and _sftp_ports(settings) else {}),
        **({"cluster.client_ca": settings.cluster.client_ca} if settings.cluster.client_ca else {}),
    }


def balancer_files(settings: Settings) -> dict[str, Path]:
    """The files that the balancer needs."""
    return {
        "cluster.token_key": settings.cluster.token_key,
        "cluster.management_token": settings.cluster.management_token,
        "balancer.certificate": settings.balancer.certificate,
        "balancer.key": settings.balancer.key,
    }


def _accounts(settings: Settings) -> Iterator[Problem]:
    if not settings.accounts:
        yield Problem("accounts", "has no account", "add at least one")
    for name, account in settings.accounts.items():
        yield from _account(f"accounts.{name}", account)


def _account(where: str, account: Account) -> Iterator[Problem]:
    home = account.home
    wrong = None if home == "/" else complaint(home.removeprefix("/"))
    if not home.startswith("/") or wrong:
        why = wrong or "it does not begin with /"
        yield Problem(f"{where}.home", f"{home!r} is not a folder of the root: {why}", "write it as /Station or /")
    yield from _networks(f"{where}.limits.networks", account.limits.networks)
    if account.password is None and set(account.rights) - {Right.READ}:
        fix = "give it a password (`tripod password` makes the hash), or leave `read` alone"
        yield Problem(f"{where}.rights", "lets an anonymous account change things", fix)
    if account.password is not None and not is_password_hash(account.password):
        fix = "`tripod password` makes the hash; never write the password itself"
        yield Problem(f"{where}.password", "is not an argon2id hash", fix)
    if account.password is None and account.public_keys:
        yield Problem(f"{where}.public_keys", "are of an anonymous account", "give it a password, or drop the keys")
    for number, line in enumerate(account.public_keys):
        if key_blob(line) is None:
            fix = "paste the line of a .pub file: ssh-ed25519, ecdsa-sha2-nistp…, or ssh-rsa from 2048 bits"
            yield Problem(f"{where}.public_keys[{number}]", "is not an SSH public key", fix)


def _client_certificates(settings: Settings) -> Iterator[Problem]:
    client_ca = settings.cluster.client_ca
    if client_ca is not None and client_ca == settings.cluster.ca:
        fix = "make one that signs clients alone; docs/operations.md shows how"
        yield Problem("cluster.client_ca", "is cluster.ca, so that every client could be a node", fix)
    for name, account in settings.accounts.items():
        where = f"accounts.{name}.client_certificate"
        if account.client_certificate == "no":
            if account.client_fingerprints:
                fix = "write `client_certificate: required` or `optional`, or drop them"
                yield Problem(f"accounts.{name}.client_fingerprints", "are there, and client_certificate is `no`", fix)
        elif account.password is None:
            yield Problem(where, "is of an anonymous account", "give it a password, or drop the line")
        elif not account.client_fingerprints and client_ca is None:
            fix = "pin it in client_fingerprints, or name the authority that signed it as cluster.client_ca"
            yield Problem(where, "is asked for, and nothing says which certificate is its own", fix)
        for number, text in enumerate(account.client_fingerprints):
            if read_fingerprint(text) is None:
                fix = "`openssl x509 -in FILE -noout -fingerprint -sha256` prints it: 64 hexadecimal digits"
                yield Problem(f"accounts.{name}.client_fingerprints[{number}]", "is not a SHA-256 fingerprint", fix)


def _upgrade(command: str | None) -> Iterator[Problem]:
    if command is None:
        return
    fix = "write a command and its arguments, such as ssh {address} systemctl restart tripod-node"
    try:
        words = shlex.split(command)
        words = [word.format(node="node1", address="192.0.2.1") for word in words]
    except (ValueError, LookupError) as error:
        yield Problem("upgrade.node_command", f"cannot be read: {error}", f"{fix}; no other braces than these")
        return
    if not words:
        yield Problem("upgrade.node_command", "is empty", fix)


def _sites(settings: Settings) -> Iterator[Problem]:
    for name, site in settings.sites.items():
        for number, account in enumerate(site.accounts):
            if account not in settings.accounts:
                fix = f"use one of: {', '.join(settings.accounts)}"
                yield Problem(f"sites.{name}.accounts[{number}]", f"there is no account {account!r}", fix)
        if any(ord(character) < 0x20 for character in site.greeting):
            yield Problem(f"sites.{name}.greeting", "has a control character", "write one line of text")
    by_port: dict[int, str] = {}
    for name, site in settings.sites.items():
        for field, port in site.ports.items():
            if port in by_port:
                yield Problem(f"sites.{name}.{field}", f"{port} is the port of {by_port[port]} too", "give it its own")
            by_port[port] = name
    if _sftp_ports(settings) and settings.cluster.sftp_host_key is None:
        fix = "`ssh-keygen -t ed25519 -N '' -f keys/sftp_host_ed25519` makes it; `tripod init` does for a new cluster"
        yield Problem("cluster.sftp_host_key", "is missing, and a site has an sftp_port", fix)


def _sftp_ports(settings: Settings) -> set[int]:
    return {site.sftp_port for site in settings.sites.values() if site.sftp_port is not None}


def _nodes(settings: Settings) -> Iterator[Problem]:
    if not settings.nodes:
        yield Problem("nodes", "has no node", "add at least one; two make it redundant")
    site_ports = {port for site in settings.sites.values() for port in site.ports.values()}
    for name, node in settings.nodes.items():
        yield from _node(f"nodes.{name}", node, site_ports)
    for (one, first), (other, second) in itertools.combinations(settings.nodes.items(), 2):
        if first.root == second.root:
            yield Problem(f"nodes.{other}.root", f"is the root of {one} too", "every node has a root of its own")
        if first.state == second.state:
            yield Problem(f"nodes.{other}.state", f"is the state folder of {one} too", "every node has its own")
        if first.address == second.address:
            yield Problem(
                f"nodes.{other}.address", f"is the address of {one} too", "every node has an address of its own"
            )


def _node(where: str, node: Node, site_ports: set[int]) -> Iterator[Problem]:
    yield from _range(f"{where}.passive_ports", node.passive_ports.first, node.passive_ports.last)
    if 0 < len(node.passive_ports.all()) < node.workers:
        what = f"are {len(node.passive_ports.all())} ports for {node.workers} workers, and each needs some of its own"
        yield Problem(f"{where}.passive_ports", what, "widen the range, or have fewer workers")
    taken: dict[int, str] = dict.fromkeys(site_ports, "a site")
    for field in ("management_port", "replicator_management_port", "peer_port"):
        port = getattr(node, field)
        if port in taken:
            yield Problem(f"{where}.{field}", f"{port} is the port of {taken[port]} too", "choose a free one")
        taken[port] = field
    inside = sorted(port for port in taken if port in node.passive_ports.all())
    if inside:
        what = f"contains port {inside[0]}, which is {taken[inside[0]]}"
        yield Problem(f"{where}.passive_ports", what, "move the range")
    socket_bytes = len(bytes(node.state / SOCKET_NAME))
    if socket_bytes > _MAX_SOCKET_PATH_BYTES:
        what = f"makes the publish socket's path {socket_bytes} bytes long, and {_MAX_SOCKET_PATH_BYTES} is the most"
        yield Problem(f"{where}.state", what, "choose a shorter folder")
    if node.state.is_relative_to(node.root):
        yield Problem(f"{where}.state", "lies in the root, where clients could reach it", "put it beside the root")


def _balancer(settings: Settings) -> Iterator[Problem]:
    balancer = settings.balancer
    yield from _range("balancer.passive_ports", balancer.passive_ports.first, balancer.passive_ports.last)
    if 0 < len(balancer.passive_ports.all()) < balancer.workers:
        what = f"are {len(balancer.passive_ports.all())} ports for {balancer.workers} workers, and each needs its own"
        yield Problem("balancer.passive_ports", what, "widen the range, or have fewer workers")
    taken: dict[int, str] = {}
    if balancer.management[0] == balancer.bind_address:
        taken[balancer.management_port] = "balancer.management_port"
    for name, service in balancer.services.items():
        where = f"balancer.services.{name}"
        if service.site not in settings.sites:
            fix = f"use one of: {', '.join(settings.sites)}"
            yield Problem(f"{where}.site", f"there is no site {service.site!r}", fix)
        for field, port in service.ports.items():
            if port in taken:
                yield Problem(f"{where}.{field}", f"{port} is the port of {taken[port]} too", "choose another")
            taken[port] = name
            if port in balancer.passive_ports.all():
                yield Problem(f"{where}.{field}", "lies in balancer.passive_ports", "move one of them")
    if not balancer.source_addresses:
        fix = "name the addresses from which the balancer connects to the nodes"
        yield Problem("balancer.source_addresses", "is empty, so no node believes the balancer", fix)
    yield from _families(settings)
    yield from _addresses(balancer)


def _families(settings: Settings) -> Iterator[Problem]:
    balancer = settings.balancer
    families = {":" in source for source in balancer.source_addresses}
    for name, node in settings.nodes.items():
        if families and (":" in node.address) not in families:
            family = "IPv6" if ":" in node.address else "IPv4"
            what = f"has no {family} address, and node {name} has no other"
            yield Problem("balancer.source_addresses", what, f"add the balancer's {family} address")


def _addresses(balancer: Balancer) -> Iterator[Problem]:
    texts = {"balancer.vip": balancer.vip} | {
        f"balancer.source_addresses[{number}]": text for number, text in enumerate(balancer.source_addresses)
    }
    for number, entry in enumerate(balancer.advertise):
        texts[f"balancer.advertise[{number}].address"] = entry.address
        try:
            ipaddress.ip_network(entry.clients)
        except ValueError as error:
            where = f"balancer.advertise[{number}].clients"
            yield Problem(where, str(error), "write a network such as 192.0.2.0/24")
    for where, text in texts.items():
        try:
            spelt = str(ipaddress.ip_address(text))
        except ValueError:
            yield Problem(where, f"{text!r} is not an IP address", "write an address such as 192.0.2.10")
        else:
            if spelt != text:  # peers are compared as they are spelt
                yield Problem(where, f"{text!r} is not how the address is written", f"write {spelt}")


def _policies(settings: Settings) -> Iterator[Problem]:
    alone = settings.replication.mode == "none" or len(settings.writers) < 2
    for name, account in settings.accounts.items():
        if alone and account.policy != "local" and account.when_short == "refuse":
            fix = "use `policy: local`, or add a node, or `when_short: degrade`"
            yield Problem(f"accounts.{name}.policy", "asks for copies on other nodes, and there are none", fix)
    if settings.replication.mode == "none" and any(account.quota() for account in settings.accounts.values()):
        for name, node in settings.nodes.items():
            if node.workers > 1:
                what = "are several, an account has a quota, and without a replicator nobody counts for all of them"
                yield Problem(f"nodes.{name}.workers", what, "use `replication.mode: full-mesh`, or `workers: 1`")

    if settings.replication.mode == "none" and settings.replication.names == "refuse":
        what = "is what the replicators see to, and there are none"
        yield Problem("replication.names", what, "use `names: exact`, or `mode: full-mesh`")


def _links(settings: Settings) -> Iterator[Problem]:
    known: dict[tuple[str, str], int] = {}
    for number, link in enumerate(settings.replication.links):
        where, way = f"replication.links[{number}]", (link.source, link.target)
        for field, node in zip(("from", "to"), way, strict=True):
            if node not in settings.nodes:
                yield Problem(
                    f"{where}.{field}", f"there is no node {node}", f"use one of: {', '.join(settings.nodes)}"
                )
        if link.source == link.target:
            yield Problem(f"{where}.to", f"{link.target} sends nothing to itself", "name two nodes")
        if way in known:
            what = f"the way from {link.source} to {link.target} is in links[{known[way]}] already"
            yield Problem(where, what, "put both into one")
        known.setdefault(way, number)
        for place, hours in enumerate(link.schedule):
            if not hours.days:
                what, fix = "names no day", "leave it out for every day"
                yield Problem(f"{where}.schedule[{place}].days", what, fix)
            if hours.begin == hours.end:
                what, fix = "begins when it ends", "write a whole day as 00:00 to 24:00"
                yield Problem(f"{where}.schedule[{place}].to", what, fix)


def _patterns(settings: Settings) -> Iterator[Problem]:
    for field, patterns in {"exclude": settings.replication.exclude, "include": settings.replication.include}.items():
        for number, pattern in enumerate(patterns):
            wrong = wrong_pattern(pattern)
            if wrong and not (field == "include" and wrong == MATCHES_EVERYTHING):
                fix = "write a name such as *.tmp, or a path from the root such as scratch/**"
                yield Problem(f"replication.{field}[{number}]", f"{pattern!r} {wrong}", fix)


def _networks(where: str, networks: tuple[str, ...]) -> Iterator[Problem]:
    for number, network in enumerate(networks):
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            yield Problem(f"{where}[{number}]", str(error), "write a network such as 192.0.2.0/24")


def _range(where: str, first: int, last: int) -> Iterator[Problem]:
    if last < first:
        yield Problem(where, f"ends ({last}) before it begins ({first})", "swap them")
