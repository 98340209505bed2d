"""Writes a new, working cluster into a folder: cluster.yaml, a CA, certificates, keys, generated passwords."""

import datetime
import secrets
import string
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from cluster.durable_file import PRIVATE_MODE, make_folders_durably, write_durably
from cluster.password import hash_password
from cluster.session_token import KEY_BYTES
from compose.authority import Authority, KeyPair
from compose.host_key import new_host_key

ACCOUNTS: Final = ("station", "lansurvey", "servicedesk")
_TEMPLATE: Final = Path(__file__).with_name("cluster.template.yaml")
_PASSWORD_CHARACTERS: Final = 14  # receivers of one maker take no more than 15
_ALPHABET: Final = string.ascii_letters + string.digits


class PlannedNode(msgspec.Struct, frozen=True, kw_only=True):
    """One node to be: its address and where its root and state will be, relative to the folder or absolute."""

    name: str
    address: str
    root: str
    state: str
    replicator_address: str | None = None


class ClusterPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to write. The numbers of `replication` and `limits` replace the defaults of their sections.

    `password_hash` makes the argon2id hashes of the new passwords.
    """

    name: str
    vip: str
    nodes: tuple[PlannedNode, ...]
    listen: str | None = None
    sources: tuple[str, ...] = ()
    advertise: Mapping[str, str] = msgspec.field(default_factory=dict)
    ingest_port: int = 2121
    public_port: int = 2122
    vip_passive: tuple[int, int] = (22000, 22999)
    node_passive: tuple[int, int] = (30000, 30999)
    spool: str = "/var/tmp"  # noqa: S108 - the default of Spool.folder, with its reason there
    mode: str = "full-mesh"
    replication: Mapping[str, float | str] = msgspec.field(default_factory=dict)
    limits: Mapping[str, float | str] = msgspec.field(default_factory=dict)
    password_hash: Callable[[str], str] = hash_password


def network_plan(
    name: str, nodes: int, *, network: str = "127.0.0", folder: str = "", replicators_apart: bool = False
) -> ClusterPlan:
    """A cluster in one network, by default of loopback addresses: the VIP is .10 of it, the nodes are .11 and up.

    `replicators_apart` gives every replicator an address of its own, .111 and up, as containers have.
    """
    planned = tuple(
        PlannedNode(
            name=f"node{number}",
            address=f"{network}.{10 + number}",
            root=f"{folder}node{number}/root",
            state=f"{folder}node{number}/state",
            replicator_address=f"{network}.{110 + number}" if replicators_apart else None,
        )
        for number in range(1, nodes + 1)
    )
    return ClusterPlan(name=name, vip=f"{network}.10", nodes=planned)


def write_cluster(folder: Path, plan: ClusterPlan, now: datetime.datetime) -> dict[str, str]:
    """Write the plan into `folder` and return the new passwords by account; they are stored nowhere else.

    Raises FileExistsError when the folder holds a cluster.yaml already: keys are never overwritten.
    """
    file = folder / "cluster.yaml"
    if file.exists():
        raise FileExistsError(17, "holds a cluster already", str(file))
    make_folders_durably(folder)
    passwords = {account: _new_password() for account in ACCOUNTS}
    _write_keys(folder / "keys", plan, now)
    write_durably(file, render(plan, passwords).encode())
    return passwords


def render(plan: ClusterPlan, passwords: Mapping[str, str]) -> str:
    """The text of cluster.yaml."""
    template = string.Template(_TEMPLATE.read_text(encoding="utf-8"))
    hashes = {f"{account}_hash": plan.password_hash(password) for account, password in passwords.items()}
    advertise = "".join(
        f"    - {{clients: {clients}, address: {address}}}\n" for clients, address in plan.advertise.items()
    )
    return template.substitute(
        name=plan.name,
        vip=plan.vip,
        listen=f"  listen: {plan.listen}\n" if plan.listen else "",
        ingest_port=plan.ingest_port,
        public_port=plan.public_port,
        nodes="\n".join(_node(node, plan) for node in plan.nodes),
        vip_first=plan.vip_passive[0],
        vip_last=plan.vip_passive[1],
        sources=", ".join(plan.sources or (plan.vip,)),
        advertise=f"  advertise:                                # what PASV tells clients behind a NAT\n{advertise}"
        if advertise
        else "",
        spool=plan.spool,
        mode=plan.mode,
        replication=_section({"prepare_timeout_s": 5.0, "scan_interval_s": 3600.0} | dict(plan.replication)),
        limits=_section({"sessions": 2000, "sessions_per_address": 200} | dict(plan.limits)),
        **hashes,
    )


def _node(node: PlannedNode, plan: ClusterPlan) -> str:
    return (
        f"  {node.name}:\n"
        f"    address: {node.address}\n"
        + (f"    replicator_address: {node.replicator_address}\n" if node.replicator_address else "")
        + f"    root: {node.root}\n"
        f"    state: {node.state}\n"
        f"    certificate: keys/{node.name}.crt\n"
        f"    key: keys/{node.name}.key\n"
        f"    passive_ports: {{first: {plan.node_passive[0]}, last: {plan.node_passive[1]}}}"
    )


def _addresses(node: PlannedNode) -> tuple[str, ...]:
    return (node.address, node.replicator_address) if node.replicator_address else (node.address,)


def _section(values: Mapping[str, float | str]) -> str:
    return "\n".join(f"  {key}: {value}" for key, value in values.items())


def _write_keys(folder: Path, plan: ClusterPlan, now: datetime.datetime) -> None:
    make_folders_durably(folder, mode=0o700)
    authority = Authority(plan.name, now)
    _write_pair(folder, "ca", authority.key_pair())
    for node in plan.nodes:
        _write_pair(folder, node.name, authority.issue(node.name, _addresses(node)))
    addresses = tuple(dict.fromkeys((plan.vip, *plan.sources, *plan.advertise.values())))
    _write_pair(folder, "balancer", authority.issue("balancer", addresses))
    write_durably(folder / "token.key", secrets.token_bytes(KEY_BYTES), PRIVATE_MODE)
    write_durably(folder / "sftp_host_ed25519", new_host_key(), PRIVATE_MODE)
    write_durably(folder / "management.token", f"{secrets.token_hex(24)}\n".encode(), PRIVATE_MODE)


def _write_pair(folder: Path, name: str, pair: KeyPair) -> None:
    write_durably(folder / f"{name}.crt", pair.certificate)
    write_durably(folder / f"{name}.key", pair.key, PRIVATE_MODE)


def _new_password() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_PASSWORD_CHARACTERS))
