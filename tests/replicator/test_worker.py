"""What waits is tried again, but thousands not all at once; and what no peer has is said to be so."""

import asyncio
import contextlib

import pytest

from cluster.content_id import content_id_of
from replicator.not_yet import NobodyHasItError, NotYetError
from replicator.transfers.intake import Intake
from replicator.worker import Worker
from tests.kit.peers import QUICK, peers
from tests.kit.replica import OpenReplica, remote_head
from tests.kit.wait import PATIENCE_S

pytestmark = pytest.mark.asyncio
LARGE = b"lost" * 500_000


@contextlib.asynccontextmanager
async def working(replica, links=()):
    """A worker that runs."""
    worker = Worker(replica, Intake(replica, links, QUICK), lambda: None)
    replica.wake = worker.wake
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def until(condition):
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - the worker sets no event
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("content", [b"lost", LARGE])
async def test_what_no_peer_has_is_said_until_somebody_has_it_again(tmp_path, content):
    async with peers(tmp_path, "a", "b", "c") as found:
        a, c = found["a"], found["c"]
        async with working(a.replica, tuple(a.links.values())) as worker:
            a.replica.hear("x", (remote_head(content),))
            await until(lambda: worker.missing == {"x"})
            assert f"no peer has {content_id_of(content)[:12]}" in worker.trouble["x"]
            (notice,) = worker.notices()
            assert "1 paths wait for content that no peer has, such as 'x'" in notice
            await c.write("elsewhere", content)
            worker.retry_some()
            await until(lambda: not a.replica.index.pending)
            assert (worker.trouble, worker.missing, worker.notices()) == ({}, set(), ())
        assert (a.root / "x").read_bytes() == content


async def test_while_one_peer_was_not_asked_it_may_have_it(tmp_path):
    async with peers(tmp_path, "a", "b", "c") as found:
        a = found["a"]
        async with working(a.replica, tuple(a.links.values())) as worker:
            a.links["c"].give_up()
            await until(lambda: not a.links["c"].connected)
            a.replica.hear("x", (remote_head(b"lost"),))
            await until(lambda: worker.trouble)
            assert not worker.missing
            (notice,) = worker.notices()
            assert notice.startswith("1 paths wait, such as 'x': no peer gives")


async def test_of_thousands_that_wait_each_round_tries_others(tmp_path):
    paths, tried = {f"{number:03}" for number in range(600)}, []

    async def lost(path, _content_id, _size_bytes):
        tried.append(path)
        raise NobodyHasItError("no peer has it") if path < "300" else NotYetError("no peer gives it")

    async with OpenReplica(tmp_path) as here, working(here) as worker:
        here.fetch = lost
        for path in paths:
            here.hear(path, (remote_head(path.encode()),))
        await until(lambda: worker.trouble.keys() == paths)
        assert len(worker.missing) == 300
        assert len(worker.notices()) == 2
        tried.clear()
        for most in (250, 500, 600):
            worker.retry_some()
            await until(lambda: not worker._queued)
            await until(lambda most=most: len(tried) >= most)
            assert len(set(tried)) == most
        tried.clear()
        worker.retry()
        await until(lambda: set(tried) == paths)
