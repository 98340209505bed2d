"""What all sessions of one balancer share."""

import random
from dataclasses import dataclass
from pathlib import Path

from balancer.admission import Admission
from balancer.choices import Choices
from balancer.front_tls import FrontTls
from balancer.metrics import Metrics
from balancer.node_tls import NodeTls
from balancer.nodes import Nodes
from balancer.passive_ports import PassivePorts
from balancer.spool import SpoolBudget, new_file
from balancer.transparent import why_not_transparent
from cluster.clock import monotonic_s
from cluster.problem import ConfigError, Problem
from cluster.settings import Settings
from cluster.settings_rules import balancer_files, missing_files


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all sessions of one balancer share."""

    settings: Settings
    token_key: bytes
    tls: FrontTls
    node_tls: NodeTls
    nodes: Nodes
    ports: PassivePorts
    budget: SpoolBudget
    metrics: Metrics
    choices: Choices
    admission: Admission


def make_surroundings(settings: Settings, nodes: Nodes | None = None, choices: Choices | None = None) -> Surroundings:
    """Read the keys and make what the sessions share; ConfigError when a file is missing or does not do.

    A worker has `nodes` and `choices` of its own kind.
    """
    problems = missing_files(balancer_files(settings))
    if settings.balancer.transparent:
        problems += why_not_transparent()
    if problems:
        raise ConfigError(problems)
    balancer = settings.balancer
    try:
        token_key = settings.cluster.token_key.read_bytes()
    except OSError as error:
        raise _unreadable(settings.cluster.token_key, error) from error
    try:
        new_file(balancer.spool.folder).close()
    except OSError as error:
        what = f"no file can be made in {balancer.spool.folder}: {error.strerror}"
        raise ConfigError((Problem("balancer.spool.folder", what, "name a folder it may write to"),)) from error
    return Surroundings(
        settings=settings,
        token_key=token_key,
        tls=FrontTls(settings),
        node_tls=NodeTls(settings),
        nodes=nodes or Nodes(settings.nodes, balancer.probe, monotonic_s, balancer.queue.sessions),
        ports=PassivePorts(random.SystemRandom()),
        budget=SpoolBudget(balancer.spool),
        metrics=Metrics(),
        choices=choices or Choices(),
        admission=Admission(balancer.client_limits),
    )


def read_token(file: Path) -> str:
    """The management token; ConfigError when the file cannot be read."""
    try:
        return file.read_text(encoding="latin-1").strip()
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: OSError) -> ConfigError:
    return ConfigError((Problem(str(file), f"cannot be read: {error.strerror}", "check its permissions"),))
