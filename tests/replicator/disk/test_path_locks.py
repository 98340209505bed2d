"""Locks by path: one at a time, none held while waiting for another, none while the tree moves."""

import asyncio

import pytest

from replicator.disk.path_locks import PathLocks

pytestmark = pytest.mark.asyncio


async def test_work_on_one_path_is_one_at_a_time_and_on_two_paths_side_by_side():
    locks, inside, most = PathLocks(), [], {"a": 0, "b": 0, "all": 0}

    async def work(path):
        async with locks.of(path):
            inside.append(path)
            most[path] = max(most[path], inside.count(path))
            most["all"] = max(most["all"], len(inside))
            await asyncio.sleep(0)
            inside.remove(path)

    await asyncio.gather(*(work(path) for path in "abab"))
    assert most == {"a": 1, "b": 1, "all": 2}


async def test_pairs_in_any_order_and_moves_of_the_whole_tree_never_block_one_another():
    locks, moving, done = PathLocks(), [], []

    async def work(*paths):
        async with locks.of(*paths):
            assert not moving
            await asyncio.sleep(0)
            done.append(paths)

    async def move():
        async with locks.everything():
            moving.append(True)
            await asyncio.sleep(0)
            moving.pop()
            done.append("moved")

    jobs = [job for _ in range(10) for job in (work("a", "b"), work("b", "a"), work("a"), move(), work("c", "b"))]
    await asyncio.wait_for(asyncio.gather(*jobs), 5)
    assert len(done) == 50


async def test_a_worker_that_fails_or_is_cancelled_frees_its_path():
    locks = PathLocks()
    with pytest.raises(ZeroDivisionError):
        async with locks.of("a"):
            raise ZeroDivisionError

    async def hold():
        async with locks.of("a"):
            await asyncio.Event().wait()

    holder, waiter = asyncio.create_task(hold()), asyncio.create_task(hold())
    await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.sleep(0)
    holder.cancel()
    await asyncio.gather(holder, waiter, return_exceptions=True)
    async with asyncio.timeout(1), locks.of("a"):
        pass
