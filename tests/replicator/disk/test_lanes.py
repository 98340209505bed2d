"""Short disk work is done together: whatever gathers, each piece has its own result, and none waits for ever."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from replicator.disk.lanes import DiskLanes, each

pytestmark = pytest.mark.asyncio


@pytest.fixture
def pool():
    with ThreadPoolExecutor(16) as pool:
        yield pool


def double(number):
    if number % 7 == 3:
        raise OSError(number, "no")
    return 2 * number


async def test_every_piece_has_its_own_result_or_trouble(pool):
    lanes, work = DiskLanes(pool), each(double)
    found = await asyncio.gather(*(lanes.run(work, number) for number in range(100)), return_exceptions=True)
    for number, result in enumerate(found):
        if number % 7 == 3:
            assert isinstance(result, OSError)
            assert result.errno == number
        else:
            assert result == 2 * number


async def test_what_gathers_while_the_lane_is_busy_is_done_together(pool):
    lanes, go, begun, batches = DiskLanes(pool), threading.Event(), threading.Semaphore(0), []

    def together(pieces):
        batches.append(len(pieces))
        begun.release()
        go.wait(20)
        return pieces

    first = asyncio.create_task(lanes.run(together, 0))
    await asyncio.to_thread(begun.acquire)
    later = [asyncio.create_task(lanes.run(together, number)) for number in range(100)]
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(first, *later) == [0, *range(100)]
    assert batches == [1, 100]


async def test_work_of_two_kinds_at_once_is_not_mixed_up(pool):
    lanes, doubles, texts = DiskLanes(pool), each(lambda number: 2 * number), each(str)
    found = await asyncio.gather(*(lanes.run(work, number) for number in range(50) for work in (doubles, texts)))
    assert found == [result for number in range(50) for result in (2 * number, str(number))]


async def test_work_that_breaks_as_a_whole_is_told_to_everyone_who_waits(pool):
    def together(_pieces):
        raise MemoryError

    lanes = DiskLanes(pool)
    found = await asyncio.gather(*(lanes.run(together, number) for number in range(9)), return_exceptions=True)
    assert all(isinstance(result, MemoryError) for result in found)
    assert await lanes.run(each(double), 1) == 2


async def test_nobody_waits_for_a_pool_that_was_shut_down(pool):
    lanes = DiskLanes(pool)
    pool.shutdown()
    with pytest.raises(RuntimeError):
        await lanes.run(each(double), 1)


async def test_a_pool_that_is_shut_down_troubles_nobody_who_has_gone(pool):
    lanes, go, begun, troubles = DiskLanes(pool), threading.Event(), threading.Semaphore(0), []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: troubles.append(context))

    def together(pieces):
        begun.release()
        go.wait(20)
        return pieces

    first = asyncio.create_task(lanes.run(together, 0))
    await asyncio.to_thread(begun.acquire)
    gone = [asyncio.create_task(lanes.run(together, number)) for number in range(8)]
    await asyncio.sleep(0)
    for each_gone in gone:
        each_gone.cancel()
    pool.shutdown(wait=False)
    go.set()
    assert await first == 0
    await asyncio.gather(*gone, return_exceptions=True)
    await asyncio.sleep(0)
    assert troubles == []


async def test_who_is_cancelled_waits_for_what_is_under_way_and_can_then_clean_up(pool, tmp_path):
    lanes, go, begun = DiskLanes(pool), threading.Event(), threading.Semaphore(0)

    def write(file):
        begun.release()
        go.wait(20)
        file.write_bytes(b"late")

    async def stage(file):
        try:
            await lanes.run(each(write), file)
        except BaseException:
            file.unlink(missing_ok=True)
            raise

    staging = asyncio.create_task(stage(tmp_path / "staged"))
    await asyncio.to_thread(begun.acquire)
    staging.cancel()
    await asyncio.sleep(0)
    assert not staging.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await staging
    assert list(tmp_path.iterdir()) == []


async def test_what_is_cancelled_before_it_has_begun_is_never_done(pool):
    lanes, done = DiskLanes(pool), []
    running = asyncio.create_task(lanes.run(each(done.append), 1))
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await lanes.run(each(double), 1)
    assert done == []
