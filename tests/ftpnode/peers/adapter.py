"""A pytest plugin that runs pyftpdlib's own tests, unpacked as the package `pyftpdlib_suite`, against our ftpnode.

Their server thread is replaced by one that points at a real ftpnode, whose account has their name, password and home
(the current folder). Options that a test sets on their handler become settings of an ftpnode where we have them.
Where they compare a reply's text by `pytest.raises(match=…)`, ours need only have its code: the texts are our own.
"""

import contextlib
import importlib
import re
import sys
import threading
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from cluster.read_settings import read_settings
from tests.ftpnode.peers.differences import DIFFERENCES, NOT_ASKED
from tests.ftpnode.running import running
from tests.kit.cluster_folder import QUICK_HASH, LabCluster, write_cluster

PACKAGE: Final = "pyftpdlib_suite"
HOME: Final = "Home"
_PORT: Final = 27199  # not 2121, where another test may have a cluster on 127.0.0.1, at which some of theirs knock
_PATIENCE_S: Final = 10
_THEIR_PATIENCE_S: Final = 1
Entrance = tuple[str, int]
_CODE: Final = re.compile(r"\d{3}\b")

sys.modules.setdefault("psutil", types.ModuleType("psutil"))  # looks for what their server left in their own process


class Nodes:
    """The ftpnodes of a run, one for each choice of settings, all over one root."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._root = folder / "root"
        self._stack = contextlib.ExitStack()
        self._entrances: dict[str, Entrance | Exception] = {}

    def entrance(self, *, ipv6: bool, **changes: object) -> Entrance:
        """Where clients of an ftpnode with these settings beside the usual come in; started at the first question.

        What that failed with, every later one fails with too.
        """
        key = repr((ipv6, sorted(changes.items())))
        if key not in self._entrances:
            self._entrances[key] = self._started(changes, ipv6=ipv6)
        entrance = self._entrances[key]
        if isinstance(entrance, Exception):
            raise entrance
        return entrance

    def _started(self, changes: dict[str, object], *, ipv6: bool) -> Entrance | Exception:
        try:
            cluster = self._cluster(len(self._entrances), changes, ipv6=ipv6)
            return self._stack.enter_context(self.opened(cluster))
        except Exception as error:  # noqa: BLE001 whoever asks is told
            return error

    @contextlib.contextmanager
    def opened(self, cluster: LabCluster) -> Iterator[Entrance]:
        """Start what the clients meet."""
        with running(cluster) as node:
            yield node.host, node.port()

    def place(self, document: dict[str, Any], *, ipv6: bool) -> None:
        """Change where a cluster's programs listen."""
        if ipv6:
            # There is one ::1 for all tests that run at the same time, so the ports are our own.
            document["nodes"]["node1"] |= {
                "address": "::1", "management_port": 27398, "passive_ports": {"first": 27300, "last": 27389},
            }  # fmt: skip
            document["balancer"]["source_addresses"] = [document["balancer"]["vip"], "fd00::1"]
            document["sites"]["ingest"]["port"] = document["balancer"]["services"]["ingest"]["port"] = 27399

    def end(self) -> None:
        self._stack.close()

    def _cluster(self, number: int, changes: dict[str, object], *, ipv6: bool) -> LabCluster:
        folder = self._folder / f"cluster{number}"
        cluster = write_cluster(folder, nodes=1, replication="none")
        document = yaml.safe_load(cluster.file.read_text())
        rights = ["read", "write", "delete", "rename", "make-directory"]
        user = {"password": QUICK_HASH("12345"), "home": f"/{HOME}", "rights": rights}
        document["accounts"] = {"user": user, "anonymous": {"home": f"/{HOME}", "rights": ["read"]}}
        document["sites"] = {"ingest": {"port": _PORT, "accounts": ["user", "anonymous"]}}
        document["balancer"]["services"] = {"ingest": {"site": "ingest", "port": _PORT}}
        document["nodes"]["node1"] |= {"root": str(self._root)}
        self.place(document, ipv6=ipv6)
        for path, value in changes.items():
            *sections, name = path.split("__")
            part = document
            for section in sections:
                part = part[section]
            part[name] = value
        cluster.file.write_text(yaml.safe_dump(document))
        return LabCluster(folder, cluster.file, read_settings(cluster.file), {})


class OurServer:
    """Stands in for their server thread: the same face, an ftpnode behind it."""

    nodes: Nodes
    differences: Mapping[str, str]
    handler: type

    def __init__(self, address: tuple[str, int] | None = None) -> None:
        self.server = types.SimpleNamespace(max_cons=0, max_cons_per_ip=0)
        self.lock = threading.Lock()
        self._address = address[0] if address else ""
        self.host, self.port = self._entrance()

    def start(self) -> None:
        self.host, self.port = self._entrance()

    def stop(self) -> None:
        """The ftpnode goes on for other tests."""
        importlib.import_module(PACKAGE).reset_server_opts()

    def _entrance(self) -> Entrance:
        changes: dict[str, object] = {}
        if self.handler.banner != "pyftpdlib ready.":
            changes["sites__ingest__greeting"] = self.handler.banner
        if getattr(self.handler, "tls_control_required", False):
            changes["accounts__user__tls"] = "required"
        if self.server.max_cons:
            changes["limits__sessions"] = self.server.max_cons - 1  # theirs counts the listener too
        if self.server.max_cons_per_ip:
            changes["limits__sessions_per_address"] = self.server.max_cons_per_ip
        if self.handler.max_login_attempts != 3:
            changes["limits__login_attempts"] = self.handler.max_login_attempts
        return self.nodes.entrance(ipv6=self._address == "::1", **changes)


class WithoutTexts:
    """pytest as their modules see it: a reply has to have the code that they expect, not the text."""

    def __getattr__(self, name: str) -> object:
        return getattr(pytest, name)

    def raises(self, expected: object, *arguments: object, match: str = "", **more: object) -> object:
        code = _CODE.match(match)
        return pytest.raises(expected, *arguments, match=code[0] if code else None, **more)


def pytest_configure(config: pytest.Config) -> None:
    use(Nodes(config.rootpath), DIFFERENCES)


def use(nodes: Nodes, differences: Mapping[str, str]) -> None:
    """Point their suite at ours."""
    suite = importlib.import_module(PACKAGE)
    suite.GLOBAL_TIMEOUT, suite.NO_RETRIES = _PATIENCE_S, 1
    OurServer.nodes, OurServer.differences = nodes, differences
    OurServer.handler = suite.FTPHandler
    suite.FtpdThreadWrapper = OurServer


def pytest_unconfigure() -> None:
    OurServer.nodes.end()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    differences = OurServer.differences
    unused = {*differences, *NOT_ASKED} - {name for item in items for name in _names(item)}
    if unused:
        raise pytest.UsageError(f"no test of theirs is called {sorted(unused)}")
    not_asked = [item for item in items if item.cls.__name__ in NOT_ASKED or _is_imported(item)]
    config.hook.pytest_deselected(items=not_asked)
    items[:] = [item for item in items if item not in not_asked]
    for item in items:
        for module in _modules(item):
            module.pytest = WithoutTexts()
        for name in _names(item):
            if name in differences:
                item.add_marker(pytest.mark.xfail(reason=differences[name], strict=True))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Where we differ, no answer within their own patience is the difference; elsewhere the machine may be slow."""
    differs = item.get_closest_marker("xfail") is not None
    for module in _modules(item):
        module.GLOBAL_TIMEOUT = _THEIR_PATIENCE_S if differs else _PATIENCE_S


def _modules(item: pytest.Item) -> list[types.ModuleType]:
    """The modules of theirs that hold the test's class and what it inherits."""
    return [sys.modules[base.__module__] for base in item.cls.__mro__ if base.__module__.startswith(PACKAGE)]


def _names(item: pytest.Item) -> tuple[str, str, str]:
    return item.cls.__name__, item.originalname, f"{item.cls.__name__}.{item.originalname}"


def _is_imported(item: pytest.Item) -> bool:
    """Whether the module has the class only as a base for its own."""
    return item.cls.__module__ != item.module.__name__
