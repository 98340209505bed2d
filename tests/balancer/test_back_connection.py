"""The connection to a node, while it is made."""

import socket

import pytest

from balancer.back_connection import BackLeg, open_back_leg
from balancer.control_leg import ControlLeg
from balancer.core.back_source import Source


class LostAtOnce(ControlLeg):
    """The node is killed between its kernel's taking the connection and our next step."""

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        self.connection_lost(ConnectionResetError("reset"))


@pytest.mark.asyncio
async def test_a_leg_that_is_lost_while_it_is_opened_does_not_count_as_open() -> None:
    leg = BackLeg("node1", lambda _reply: None, lambda _why: None)
    leg.leg = LostAtOnce(leg._received, leg._lose)
    with socket.create_server(("127.0.0.1", 0)) as node, pytest.raises(ConnectionResetError):
        await open_back_leg(leg, node.getsockname(), Source("127.0.0.1"), b"PROXY", None, 5.0)
