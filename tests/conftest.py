"""For all tests: a property is never judged by how long the machine takes over it, and what takes long begins first."""

from typing import Final

import pytest
from hypothesis import settings

settings.register_profile("tripod", deadline=None)
settings.load_profile("tripod")

SLOWEST_FIRST: Final = (
    "tests/lab/test_container_lab.py",
    "tests/balancer/peers/test_pyftpdlib_suite.py",
    "tests/cluster/test_upgrade.py",
    "tests/ftpnode/peers/test_pyftpdlib_suite.py",
    "tests/cluster/test_members.py",
    "tests/cluster/test_lab.py",
    "tests/cluster/test_resume.py",
    "tests/cluster/test_kills.py",
    "tests/cluster/test_replicators.py",
    "tests/replicator/simulation/test_histories.py",
)
"""A worker keeps a file to its end (`--dist loadfile`): one that takes minutes and begins last leaves a core idle."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the slowest files begin, slowest first; all others keep their order."""
    places = {file: place for place, file in enumerate(SLOWEST_FIRST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))
