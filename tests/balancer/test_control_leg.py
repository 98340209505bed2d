"""What a control connection asks of the kernel."""

import asyncio
import socket

import pytest

from balancer.control_leg import ControlLeg


@pytest.mark.asyncio
@pytest.mark.parametrize("option", [socket.TCP_NODELAY, socket.TCP_KEEPIDLE])
async def test_a_reply_never_waits_for_the_one_before_it_and_a_dead_client_is_noticed(option):
    with socket.socket() as listener:  # as the doorways are: it does not say that it is TCP, nor does what it accepts
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            accepted.settimeout(0)
            before = accepted.getsockopt(socket.IPPROTO_TCP, option)
            leg = ControlLeg(lambda _: None, lambda _: None)
            await asyncio.get_running_loop().connect_accepted_socket(lambda: leg, accepted)
            assert accepted.getsockopt(socket.IPPROTO_TCP, option) not in {0, before}
            leg.abort()
