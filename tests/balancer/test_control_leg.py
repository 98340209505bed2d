"""What a control connection asks of the kernel, and that it ends."""

import asyncio
import socket

import pytest

from balancer.control_leg import ControlLeg
from tests.kit.wait import PATIENCE_S


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


@pytest.mark.asyncio
@pytest.mark.parametrize("end", [ControlLeg.close, ControlLeg.abort])
async def test_a_connection_that_comes_when_its_session_is_over_is_closed(end):
    ours, theirs = socket.socketpair()
    with theirs:
        leg = ControlLeg(lambda _: None, lambda _: None)
        end(leg)
        ours.settimeout(0)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: leg, ours)
        theirs.settimeout(0)
        assert await asyncio.get_running_loop().sock_recv(theirs, 1) == b""


@pytest.mark.asyncio
@pytest.mark.parametrize("loses", [False, True])
async def test_who_does_not_read_the_last_words_is_not_waited_for(loses):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with theirs:
        lost = asyncio.Event()

        class Watched(ControlLeg):
            def connection_made(self, transport):
                self._transport = transport  # no TCP, so nothing is asked of the kernel

            def connection_lost(self, exc):
                super().connection_lost(exc)
                lost.set()

        leg = Watched(lambda _: None, lambda _: None, last_words_s=0.05)
        ours.settimeout(0)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: leg, ours)
        leg.send(bytes(9 << 20 if loses else 1 << 20))
        leg.close()
        await asyncio.wait_for(lost.wait(), PATIENCE_S)
