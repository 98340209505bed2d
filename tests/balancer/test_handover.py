"""One balancer takes over from another: no client notices, no port is lent twice, and a failure changes nothing."""

import asyncio
import contextlib
import io
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from balancer.handover.taking import NotGivenError, find_predecessor
from balancer.message_line import line_ends
from balancer.program import Program
from cluster.health import NodeState
from tests.balancer.running_balancer import Bench, bench
from tests.kit.clients import secure_client
from tests.kit.wait import PATIENCE_S

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]

CONTENT = bytes(range(256)) * 8000


def quick(settings):
    balancer = msgspec.structs.replace(settings.balancer, handover_s=30.0)
    return msgspec.structs.replace(settings, balancer=balancer)


@asynccontextmanager
async def succeeded(b: Bench) -> AsyncIterator[Program]:
    """A second balancer in the place of the first, which is stopped when it says that it shall be."""
    predecessor = await find_predecessor(b.settings.balancer)
    assert predecessor is not None
    successor = Program(b.settings)
    await successor.start(predecessor)
    stopping = asyncio.create_task(end_when_told(b.program))
    try:
        yield successor
    finally:
        await successor.stop()
        await asyncio.wait_for(stopping, PATIENCE_S)


async def end_when_told(program: Program) -> None:
    await program.wait()
    await program.stop()


async def eventually(condition, what: str) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"still not: {what}")


def ports_in_use(program: Program) -> set[int]:
    return set(program.around.ports._doors)


async def test_an_idle_session_is_the_new_balancers_at_once_with_all_that_it_stood_for(tmp_path):
    async with bench(tmp_path, change=quick) as b:
        b.tree.folders.add("/2026")
        b.tree.files["/2026/a.bin"] = CONTENT
        ftp = await asyncio.to_thread(b.client)
        await asyncio.to_thread(ftp.cwd, "2026")
        await asyncio.to_thread(ftp.sendcmd, "TYPE I")
        await asyncio.to_thread(ftp.sendcmd, "RNFR a.bin")
        async with succeeded(b) as successor:
            await eventually(lambda: successor.health().sessions == 1, "the session has come")
            assert b.program.health().sessions == 0
            assert await asyncio.to_thread(ftp.sendcmd, "RNTO b.bin") == "250 renamed"
            got = io.BytesIO()
            await asyncio.to_thread(ftp.retrbinary, "RETR b.bin", got.write)
            assert got.getvalue() == CONTENT
            assert (await asyncio.to_thread(ftp.pwd)) == "/2026"
            assert (await asyncio.to_thread(ftp.quit)).startswith("221")
            assert await b.run(lambda other: other.pwd()) == "/"  # and who comes anew is served
            assert successor.health().moved_sessions == 1


async def test_a_transfer_ends_where_it_began_and_the_session_goes_on_at_the_new_balancer(tmp_path):
    async with bench(tmp_path, change=quick) as b:
        ftp = await asyncio.to_thread(b.client)
        data = await asyncio.to_thread(ftp.transfercmd, "STOR up.bin")
        await asyncio.to_thread(data.sendall, CONTENT[:1000])
        async with succeeded(b) as successor:
            assert successor.health().sessions == 0
            await asyncio.to_thread(data.sendall, CONTENT[1000:])
            await asyncio.to_thread(data.close)
            assert (await asyncio.to_thread(ftp.voidresp)).startswith("226")
            await eventually(lambda: successor.health().sessions == 1, "the session has come after its transfer")
            got = io.BytesIO()
            await asyncio.to_thread(ftp.retrbinary, "RETR up.bin", got.write)
            ftp.close()
    assert got.getvalue() == b.tree.files["/up.bin"] == CONTENT


async def test_a_client_that_has_its_passive_port_already_finds_the_old_balancer_there(tmp_path):
    async with bench(tmp_path, change=quick) as b:
        b.tree.files["/a.bin"] = CONTENT
        ftp = await asyncio.to_thread(b.client)
        host, port = await asyncio.to_thread(ftp.makepasv)
        async with succeeded(b) as successor:
            assert port in ports_in_use(b.program)
            reader, writer = await asyncio.open_connection(host, port)
            assert (await asyncio.to_thread(ftp.sendcmd, "RETR a.bin")).startswith("125")
            assert await reader.read() == CONTENT
            writer.close()
            assert (await asyncio.to_thread(ftp.voidresp)).startswith("226")
            await eventually(lambda: successor.health().sessions == 1, "the session has come")
            ftp.close()


async def test_no_passive_port_is_both_balancers_and_the_new_one_has_all_when_the_old_one_is_gone(tmp_path):
    async with bench(tmp_path, change=quick) as b:
        every = set(b.settings.balancer.passive_ports.all())
        ftp = await asyncio.to_thread(secure_client, b.vip, b.port, "station", "secret", b.cluster.ca)
        async with succeeded(b) as successor:
            assert ports_in_use(b.program) | ports_in_use(successor) == every
            assert not ports_in_use(b.program) & ports_in_use(successor)
            assert ports_in_use(b.program)
            with contextlib.suppress(ssl.SSLError):
                await asyncio.to_thread(ftp.quit)
            await eventually(lambda: ports_in_use(successor) == every, "all ports are the new balancer's")


async def test_a_session_under_tls_stays_with_its_process_and_works_until_it_ends(tmp_path):
    async with bench(tmp_path, change=quick) as b:
        ftp = await asyncio.to_thread(secure_client, b.vip, b.port, "station", "secret", b.cluster.ca)
        async with succeeded(b) as successor:
            for name in ("one", "two"):
                said = await asyncio.to_thread(ftp.storbinary, f"STOR {name}.bin", io.BytesIO(CONTENT))
                assert said.startswith("226")
            assert (b.program.health().sessions, successor.health().sessions) == (1, 0)
            # The old one hears from the new one how nodes are: its session leaves a node that drains.
            (busy,) = [node.node for node in b.program.health().nodes if node.sessions]
            next(node for node in b.nodes if node.name == busy).state = NodeState.DRAINING
            await eventually(
                lambda: not any(node.sessions for node in b.program.health().nodes), "it has left the node"
            )
            assert (await asyncio.to_thread(ftp.pwd)) == "/"
            assert (await asyncio.to_thread(ftp.quit)).startswith("221")
            await asyncio.wait_for(b.program.wait(), PATIENCE_S)


async def test_whoever_cannot_move_in_time_is_told_so_with_a_421(tmp_path):
    async with bench(
        tmp_path,
        change=lambda settings: msgspec.structs.replace(
            settings, balancer=msgspec.structs.replace(settings.balancer, handover_s=0.3)
        ),
    ) as b:
        ftp = await asyncio.to_thread(secure_client, b.vip, b.port, "station", "secret", b.cluster.ca)
        async with succeeded(b):
            assert (await asyncio.to_thread(ftp.getline)).startswith("421")
            ftp.close()


@pytest.mark.parametrize("moment", ["asked", "ready", "serving"])
async def test_a_new_balancer_that_dies_at_any_moment_leaves_the_old_one_as_it_was(tmp_path, moment):
    async with bench(tmp_path, change=quick) as b:
        ftp = await asyncio.to_thread(secure_client, b.vip, b.port, "station", "secret", b.cluster.ca)
        predecessor = await find_predecessor(b.settings.balancer)
        assert predecessor is not None
        ours, theirs = line_ends()
        if moment != "asked":
            assert await predecessor.release(theirs)
        if moment == "serving":
            predecessor.we_serve()
            await eventually(b.program._giving.done.is_set, "the old one has heard it")
        predecessor.leave()
        for sock in (ours, theirs, *predecessor.sockets):
            sock.close()
        await eventually(lambda: len(ports_in_use(b.program)) == 20, "the old one serves again")
        assert (await asyncio.to_thread(ftp.pwd)) == "/"
        assert (await b.run(lambda other: other.storbinary("STOR a", io.BytesIO(CONTENT)))).startswith("226")
        assert len(b.program._probes) == 3, "those of both nodes, and the canaries"
        ftp.close()
        async with succeeded(b):  # and the next one can
            assert await b.run(lambda other: other.pwd()) == "/"


async def test_one_that_is_not_done_with_its_own_predecessor_does_not_hand_over(tmp_path):
    async with bench(tmp_path, change=quick) as b:
        ftp = await asyncio.to_thread(secure_client, b.vip, b.port, "station", "secret", b.cluster.ca)
        async with succeeded(b):
            with pytest.raises(NotGivenError, match="still finishes its sessions"):
                await find_predecessor(b.settings.balancer)
            ftp.close()


async def test_a_balancer_of_another_version_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("balancer.handover.taking.VERSION", 0)
    async with bench(tmp_path, change=quick) as b:
        with pytest.raises(NotGivenError, match="another version"):
            await find_predecessor(b.settings.balancer)


async def test_where_none_runs_there_is_none_to_take_over_from(tmp_path):
    async with bench(tmp_path, change=quick) as b:
        settings = b.settings
    assert await find_predecessor(settings.balancer) is None
