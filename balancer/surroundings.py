"""What all sessions of one balancer share."""

from dataclasses import dataclass

from balancer.admission import Admission
from balancer.choices import Choices
from balancer.front_tls import FrontTls
from balancer.metrics import Metrics
from balancer.node_tls import NodeTls
from balancer.nodes import Nodes
from balancer.passive_ports import PassivePorts
from balancer.spool import SpoolBudget
from cluster.settings import Settings


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
