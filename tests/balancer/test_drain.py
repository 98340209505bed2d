"""A node that drains: idle sessions leave at once, transfers when they are done or when the drain's time is over."""

import asyncio
import io

import pytest

from cluster.health import NodeState
from tests.balancer.running_balancer import Bench, bench
from tests.kit.wait import until

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]

CONTENT = bytes(range(256)) * 4000


def drain(b: Bench, name: str, left_s: float | None = None) -> None:
    node = next(node for node in b.nodes if node.name == name)
    node.state, node.says = NodeState.DRAINING, {"drain_left_s": left_s}


def busy_node(b: Bench) -> str:
    return next(node.node for node in b.program.health().nodes if node.transfers)


def sessions_on(b: Bench, name: str) -> int:
    return next(node.sessions for node in b.program.health().nodes if node.node == name)


async def test_a_transfer_ends_on_the_node_that_drains_and_the_session_leaves_it_then(tmp_path):
    async with bench(tmp_path) as b:
        ftp = await asyncio.to_thread(b.client)
        data = await asyncio.to_thread(ftp.transfercmd, "STOR up.bin")
        await asyncio.to_thread(data.sendall, CONTENT[:1000])
        await asyncio.to_thread(until, lambda: any(n.transfers for n in b.program.health().nodes), "it begins")
        name = busy_node(b)
        drain(b, name, left_s=60.0)
        await asyncio.to_thread(until, lambda: not b.program.around.nodes._known[name].health.usable, "it is seen")
        await asyncio.to_thread(data.sendall, CONTENT[1000:])
        await asyncio.to_thread(data.close)
        assert await asyncio.to_thread(ftp.voidresp) == f"226 stored by {name}"
        assert sessions_on(b, name) == 0
        assert await asyncio.to_thread(ftp.pwd) == "/"
        ftp.close()
    assert b.tree.files["/up.bin"] == CONTENT


async def test_when_its_time_is_over_uploads_are_repeated_and_downloads_go_on_elsewhere(tmp_path):
    async with bench(tmp_path) as b:
        up = await asyncio.to_thread(b.client)
        data = await asyncio.to_thread(up.transfercmd, "STOR up.bin")
        await asyncio.to_thread(data.sendall, CONTENT[:1000])
        await asyncio.to_thread(until, lambda: any(n.transfers for n in b.program.health().nodes), "it begins")
        name = busy_node(b)
        drain(b, name, left_s=0.0)
        await asyncio.to_thread(until, lambda: sessions_on(b, name) == 0, "it has left")
        await asyncio.to_thread(data.sendall, CONTENT[1000:])
        await asyncio.to_thread(data.close)
        assert (await asyncio.to_thread(up.voidresp)).startswith("226")
        up.close()
        assert b.tree.files["/up.bin"] == CONTENT
        assert b.program.health().repeated_uploads == 1


async def test_where_no_other_node_is_fit_sessions_stay_and_leave_as_soon_as_one_is(tmp_path):
    async with bench(tmp_path) as b:
        ftp = await asyncio.to_thread(b.client)
        name = next(node.node for node in b.program.health().nodes if node.sessions)
        other = next(node for node in b.nodes if node.name != name)
        drain(b, other.name)
        drain(b, name)
        known = b.program.around.nodes._known
        await asyncio.to_thread(until, lambda: not any(one.health.usable for one in known.values()), "both drain")
        assert (await asyncio.to_thread(ftp.storbinary, "STOR a", io.BytesIO(CONTENT))).startswith("226")
        assert sessions_on(b, name) == 1
        other.state = NodeState.READY
        await asyncio.to_thread(until, lambda: sessions_on(b, name) == 0, "it has left")
        assert await asyncio.to_thread(ftp.pwd) == "/"
        ftp.close()
