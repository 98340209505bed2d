"""While histories run, no module of the replicator can reach the machine that the tests run on."""

import sys
from types import FunctionType

import cluster.clock
import cluster.durable_file
from tests.replicator.simulation import world
from tests.replicator.simulation.kernel import simulated

REAL = {
    cluster.clock.now_ns,
    cluster.clock.now_s,
    cluster.clock.monotonic_s,
    cluster.durable_file.sync_file_system,
}


def test_every_module_has_the_simulated_machine():
    assert world.run, "its import is that of all of the replicator"
    with simulated():
        modules = {name: module for name, module in sys.modules.items() if name.startswith("replicator.")}
        left = [
            (name, key)
            for name, module in modules.items()
            for key, value in vars(module).items()
            if value is sys.modules["os"] or (isinstance(value, FunctionType) and value in REAL)
        ]
    assert len(modules) > 50
    assert left == []
