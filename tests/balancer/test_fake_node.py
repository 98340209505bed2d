"""A fake node that dies leaves no connection open, also none that it was just taking."""

import asyncio
import contextlib
import socket

import pytest

from tests.kit.fake_node import FakeNode
from tests.kit.fake_session import FakeSession
from tests.kit.fake_tree import Tree

pytestmark = [pytest.mark.asyncio, pytest.mark.parametrize("rounds", range(6))]


async def is_ended(client):
    client.settimeout(0)
    try:
        return await asyncio.get_running_loop().sock_recv(client, 1) == b""
    except ConnectionResetError:
        return True


async def the_loop_goes_round(rounds):
    for _ in range(rounds):
        await asyncio.sleep(0)


async def test_a_control_connection_that_comes_at_the_death(rounds):
    node = FakeNode("node1", Tree(), "127.0.0.1")
    await node.start(0, 0)
    with socket.create_connection(node._listener.address) as client:
        await the_loop_goes_round(rounds)
        node.die()
        assert await is_ended(client)
    await node.stop()


async def test_a_data_connection_that_comes_at_the_end_of_its_session(rounds):
    node = FakeNode("node1", Tree(), "127.0.0.1")
    ours, theirs = socket.socketpair()
    with theirs:
        session = FakeSession(node, *await asyncio.open_connection(sock=ours))
        await session.do_epsv("")
        with socket.create_connection(session.passive.address) as client:
            await the_loop_goes_round(rounds)
            session.close()
            with contextlib.suppress(OSError):  # it is reset already
                client.shutdown(socket.SHUT_WR)
            assert await is_ended(client)
