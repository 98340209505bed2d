"""Nodes that take no more sessions: new clients go elsewhere or are told, and those that are in stay in."""

import asyncio
import contextlib
import ftplib

import msgspec
import pytest

from cluster.settings import Settings
from tests.balancer.running_balancer import bench
from tests.kit.wait import until


def one_session_each(settings: Settings) -> Settings:
    nodes = {name: msgspec.structs.replace(node, max_sessions=1) for name, node in settings.nodes.items()}
    return msgspec.structs.replace(settings, nodes=nodes)


@pytest.mark.asyncio
async def test_a_full_cluster_says_so_and_takes_the_next_when_one_has_gone(tmp_path):
    async with bench(tmp_path, change=one_session_each) as b:

        def clients():
            with contextlib.ExitStack() as stack:
                inside = [stack.enter_context(contextlib.closing(b.client())) for _ in range(2)]
                with contextlib.closing(b.client(login=False)) as late:
                    late.sendcmd("USER station")
                    with pytest.raises(ftplib.error_temp, match="421"):
                        late.sendcmd("PASS secret")
                inside[0].quit()
                until(lambda: sum(node.sessions for node in b.program.health().nodes) == 1, "one has gone")
                with contextlib.closing(b.client()) as next_one:
                    return inside[1].pwd(), next_one.pwd()

        assert await asyncio.to_thread(clients) == ("/", "/")
        assert [node.logins for node in b.nodes] in ([2, 1], [1, 2])


@pytest.mark.asyncio
async def test_a_session_whose_node_dies_is_taken_by_a_full_one(tmp_path):
    async with bench(tmp_path, change=one_session_each) as b:

        def clients():
            with contextlib.closing(b.client()) as one, contextlib.closing(b.client()) as other:
                b.in_loop(b.nodes[0].die)
                return one.pwd(), other.pwd()

        assert await asyncio.to_thread(clients) == ("/", "/")


@pytest.mark.asyncio
async def test_clients_that_come_in_one_moment_are_spread(tmp_path):
    async with bench(tmp_path) as b:
        clients = await asyncio.gather(*(asyncio.to_thread(b.client) for _ in range(8)))
        assert [node.sessions for node in b.program.health().nodes] == [4, 4]
        for client in clients:
            client.close()
