"""The cluster of a cluster.yaml as an upgrade works on it: by its management endpoints, and a command for each node."""

import shlex
import subprocess

from typing_extensions import override

from cluster.ask import TIMEOUT_S, RefusedError, UnreachableError, post_action
from cluster.health import FtpnodeHealth
from cluster.live import Upgraded
from cluster.settings import Settings
from compose.status import ClusterStatus, cluster_status
from compose.upgrade import Ground, UpgradeFailedError

_HAND_OVER_S = 90.0


class ManagedGround(Ground):
    """Asks and commands everybody over HTTP; nodes are restarted by `upgrade.node_command`."""

    def __init__(self, settings: Settings, token: str) -> None:
        self._settings = settings
        self._token = token

    @override
    def status(self) -> ClusterStatus:
        return cluster_status(self._settings)

    @override
    def drain(self, node: str, deadline_s: float) -> None:
        self._act(node, "drain", deadline_s=f"{deadline_s:g}")

    @override
    def enable(self, node: str) -> None:
        self._act(node, "enable")

    @override
    def restart(self, node: str) -> None:
        """Run the command; it has as long as the node has to be ready."""
        command = self._settings.upgrade.node_command
        if command is None:
            raise UpgradeFailedError("upgrade.node_command says how the programs of a node are restarted: add it")
        address = self._settings.nodes[node].address
        words = [word.format(node=node, address=address) for word in shlex.split(command)]
        try:
            done = subprocess.run(  # noqa: S603 - the operator's own command, and no shell
                words,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=self._settings.upgrade.ready_s,
                check=False,
            )
        except OSError as error:
            raise UpgradeFailedError(f"{words[0]}: {error.strerror}; {node} stays drained") from error
        except subprocess.TimeoutExpired as error:
            raise UpgradeFailedError(f"{shlex.join(words)}: does not end; {node} stays drained") from error
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
            what = f"{shlex.join(words)}: exit status {done.returncode}, {said}"
            raise UpgradeFailedError(f"{what}; {node} stays drained")

    @override
    def hand_over(self) -> None:
        """Let the running balancer start its successor."""
        try:
            post_action(
                self._settings.balancer.management, "upgrade", Upgraded, token=self._token, timeout_s=_HAND_OVER_S
            )
        except (UnreachableError, RefusedError) as error:
            raise UpgradeFailedError(f"the balancer goes on as it was: {error}") from error

    def _act(self, node: str, action: str, **query: str) -> None:
        try:
            address = self._settings.nodes[node].management
            post_action(address, action, FtpnodeHealth, token=self._token, timeout_s=TIMEOUT_S, **query)
        except (UnreachableError, RefusedError) as error:
            raise UpgradeFailedError(str(error)) from error
