"""A balancer of several processes: to clients and operators it is one; a worker that dies takes its own sessions."""

import asyncio
import ftplib
import io
import os
import signal
from contextlib import AsyncExitStack

import msgspec
import pytest

from balancer.core.choose_node import Choice, Wish
from balancer.program import Program
from balancer.workers.crew import Crew
from balancer.workers.messages import Choose, Chosen, Left
from balancer.workers.shared_nodes import SharedNodes
from cluster.health import BalancerHealth
from tests.balancer.running_balancer import Bench, bench, cluster_of
from tests.balancer.test_handover import eventually, succeeded
from tests.kit.clients import plain_client, secure_client

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]

CONTENT = bytes(range(256)) * 8000


def two(settings):
    return with_balancer(settings, workers=2, handover_s=30.0)


def with_balancer(settings, **changes):
    return msgspec.structs.replace(settings, balancer=msgspec.structs.replace(settings.balancer, **changes))


def with_full_nodes(settings):
    nodes = {name: msgspec.structs.replace(node, max_sessions=2) for name, node in settings.nodes.items()}
    queue = msgspec.structs.replace(settings.balancer.queue, wait_s=0.2)
    return msgspec.structs.replace(with_balancer(two(settings), queue=queue), nodes=nodes)


def crew_of(program: Program) -> Crew:
    crew = program._floor
    assert isinstance(crew, Crew)
    return crew


def client(b: Bench) -> ftplib.FTP:
    return plain_client(b.vip, b.port, "station", "secret")


async def clients(b: Bench, count: int) -> list[ftplib.FTP]:
    return list(await asyncio.gather(*(asyncio.to_thread(client, b) for _ in range(count))))


async def looked(program: Program) -> BalancerHealth:
    await program._floor.look()
    return program.health()


async def test_sessions_are_spread_over_the_workers_and_served_as_one(tmp_path):
    async with bench(tmp_path, change=two) as b:
        ftps = await clients(b, 4)
        assert sorted(worker.sessions.total() for worker in crew_of(b.program)._workers.values()) == [2, 2]
        ports = [(await asyncio.to_thread(ftp.makepasv))[1] for ftp in ftps for _ in range(3)]
        assert {port < 40010 for port in ports} == {True, False}  # each worker lends of its own half
        for number, ftp in enumerate(ftps):
            said = await asyncio.to_thread(ftp.storbinary, f"STOR {number}", io.BytesIO(CONTENT))
            assert said.startswith("226")
            got = io.BytesIO()
            await asyncio.to_thread(ftp.retrbinary, f"RETR {number}", got.write)
            assert got.getvalue() == CONTENT
        health = await looked(b.program)
        assert health.sessions == sum(node.sessions for node in health.nodes) == 4
        assert health.leases_free == 20
        uploads = [
            sample.value
            for family in b.program._floor.registry.collect()
            for sample in family.samples
            if sample.name == "balancer_transfers_total" and sample.labels["verb"] == "STOR"
        ]
        assert sum(uploads) == 4
        for ftp in ftps:
            await asyncio.to_thread(ftp.quit)
        await eventually(lambda: b.program.health().sessions == 0, "all have left")
        assert not any(node.sessions for node in b.program.health().nodes)


async def test_limits_hold_over_all_workers(tmp_path):
    async with bench(tmp_path, change=two, limits={"sessions_per_address": 3}) as b:
        ftps = await clients(b, 3)
        with pytest.raises(ftplib.error_temp, match="421 Too many sessions"):
            await asyncio.to_thread(client, b)
        await asyncio.to_thread(ftps.pop().quit)
        await eventually(lambda: b.program.health().sessions == 2, "one has left")
        ftps += await clients(b, 1)
        for ftp in ftps:
            ftp.close()


async def test_no_node_gets_more_than_it_may_have_whichever_worker_asks(tmp_path):
    async with bench(tmp_path, change=with_full_nodes) as b:
        attempts = await asyncio.gather(*(asyncio.to_thread(client, b) for _ in range(8)), return_exceptions=True)
        let_in = [each for each in attempts if isinstance(each, ftplib.FTP)]
        assert len(let_in) == 4
        assert all(str(each).startswith("421") for each in attempts if not isinstance(each, ftplib.FTP))
        assert [node.sessions for node in b.program.health().nodes] == [2, 2]
        for ftp in let_in:
            ftp.close()


async def test_a_node_that_dies_is_left_by_the_sessions_of_all_workers(tmp_path):
    async with bench(tmp_path, change=two) as b:
        ftps = await clients(b, 6)
        b.nodes[0].die()
        for ftp in ftps:
            assert await asyncio.to_thread(ftp.pwd) == "/"
        health = await looked(b.program)
        assert [node.sessions for node in health.nodes] == [0, 6]
        assert health.moved_sessions >= 1
        for ftp in ftps:
            ftp.close()


async def test_a_worker_that_is_killed_takes_its_own_sessions_and_is_replaced(tmp_path):
    async with bench(tmp_path, change=two) as b:
        crew, ftps = crew_of(b.program), await clients(b, 4)
        victim = crew._workers[1]
        os.kill(victim.process.pid, signal.SIGKILL)
        await eventually(lambda: crew._workers.get(1) not in {None, victim}, "another one is started")
        await eventually(lambda: len(crew._ready()) == 2, "it serves")
        answers = await asyncio.gather(*(asyncio.to_thread(ftp.pwd) for ftp in ftps), return_exceptions=True)
        assert sum(answer == "/" for answer in answers) == 2
        health = b.program.health()
        assert health.sessions == sum(node.sessions for node in health.nodes) == 2
        ftps += await clients(b, 4)
        assert crew._workers[1].sessions.total() == 3
        for number, ftp in enumerate(ftps[4:]):
            said = await asyncio.to_thread(ftp.storbinary, f"STOR {number}", io.BytesIO(b"x"))
            assert said.startswith("226")
        for ftp in ftps:
            ftp.close()


async def test_a_balancer_with_workers_is_taken_over_by_another_one_with_workers(tmp_path):
    async with AsyncExitStack() as stack:
        b = await stack.enter_async_context(bench(tmp_path, change=two, limits={"transfer_stall_s": 60.0}))
        b.tree.folders.add("/2026")
        ftps = await clients(b, 3)
        secure = await asyncio.to_thread(secure_client, b.vip, b.port, "station", "secret", b.cluster.ca)
        for ftp in ftps:
            await asyncio.to_thread(ftp.cwd, "2026")
        data = await asyncio.to_thread(ftps[0].transfercmd, "STOR up.bin")
        await asyncio.to_thread(data.sendall, CONTENT[:1000])
        successor = await stack.enter_async_context(succeeded(b))
        await eventually(lambda: successor.health().sessions == 2, "the idle ones have come")
        old, new = crew_of(b.program)._used, crew_of(successor)._used
        assert old
        assert not old & new
        assert old | new == set(b.settings.balancer.passive_ports.all())
        await asyncio.to_thread(data.sendall, CONTENT[1000:])
        await asyncio.to_thread(data.close)
        assert (await asyncio.to_thread(ftps[0].voidresp)).startswith("226")
        await eventually(lambda: successor.health().sessions == 3, "the busy one has come, too")
        for ftp in ftps:
            assert await asyncio.to_thread(ftp.pwd) == "/2026"
            assert (await asyncio.to_thread(ftp.storbinary, "STOR x", io.BytesIO(b"x"))).startswith("226")
            ftp.close()
        assert (await asyncio.to_thread(secure.storbinary, "STOR y", io.BytesIO(b"y"))).startswith("226")
        secure.close()
        await eventually(lambda: len(crew_of(successor)._used) == 20, "the old one is gone")
        assert b.tree.files["/2026/up.bin"] == CONTENT


async def test_a_choice_for_a_session_that_has_ended_meanwhile_counts_no_more(tmp_path):
    told = []
    nodes = SharedNodes(cluster_of(tmp_path, 2).settings, told.append)
    asking = asyncio.create_task(nodes.choose(Wish()))
    await asyncio.sleep(0)
    (question,) = told
    assert isinstance(question, Choose)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    nodes.take(Chosen(question.number, Choice(node="node1", verdicts={})))
    assert told[1:] == [Left("node1")]
