"""The publish socket itself: many requests at once, clients that do not read, and what is no request."""

import asyncio
import contextlib

import pytest

from cluster.frame import FrameReader, frame
from cluster.publish import SOCKET_NAME, Ask, Done, decode_answer, encode
from replicator.publish.publish_socket import PublishSocket

pytestmark = pytest.mark.asyncio
WAIT_S = 20.0


@contextlib.asynccontextmanager
async def served(state, answer):
    socket = PublishSocket(answer)
    await socket.start(state)
    try:
        yield await asyncio.open_unix_connection(state / SOCKET_NAME)
    finally:
        await socket.stop()


async def answers_of(reader, count):
    frames, found = FrameReader(), []
    while len(found) < count:
        data = await asyncio.wait_for(reader.read(65536), WAIT_S)
        assert data, "hung up"
        found += [decode_answer(payload).id for payload in frames.feed(data)]
    return found


async def test_every_request_is_answered_however_many_come_at_once(tmp_path):
    under_way, most, go, full = set(), 0, asyncio.Event(), asyncio.Event()

    async def answer(request):
        nonlocal most
        under_way.add(request.id)
        most = max(most, len(under_way))
        if most == 256:
            full.set()
        await go.wait()
        under_way.discard(request.id)
        return Done(id=request.id, copies=1, wanted=1)

    async with served(tmp_path, answer) as (reader, writer):
        writer.write(b"".join(frame(encode(Ask(id=number))) for number in range(2000)))
        await asyncio.wait_for(full.wait(), WAIT_S)
        go.set()
        assert sorted(await answers_of(reader, 2000)) == list(range(2000))
        writer.close()
    assert most == 256


async def test_a_client_that_reads_no_answers_is_not_listened_to(tmp_path):
    asked = 0

    async def answer(request):
        nonlocal asked
        asked += 1
        return Done(id=request.id, copies=1, wanted=1, note="n" * 10_000)

    async with served(tmp_path, answer) as (reader, writer):
        writer.transport.set_write_buffer_limits(high=1 << 30)
        writer.write(b"".join(frame(encode(Ask(id=number))) for number in range(20_000)))
        before = -1
        while asked != before:
            before = asked
            for _ in range(1000):
                await asyncio.sleep(0)
        assert 0 < asked < 20_000
        assert sorted(await answers_of(reader, 20_000)) == list(range(20_000))
        writer.close()


async def test_what_is_no_request_ends_the_connection_and_nothing_else(tmp_path):
    async def answer(request):
        return Done(id=request.id, copies=1, wanted=1)

    async with served(tmp_path, answer) as (reader, writer):
        other = await asyncio.open_unix_connection(tmp_path / SOCKET_NAME)
        writer.write(frame(b"nonsense"))
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(1), WAIT_S) == b""
        other[1].write(frame(encode(Ask(id=7))))
        assert await answers_of(other[0], 1) == [7]
        for each in (writer, other[1]):
            each.close()


async def test_a_request_that_breaks_hangs_up_rather_than_staying_silent(tmp_path):
    async def answer(request):
        raise AssertionError(request)

    async with served(tmp_path, answer) as (reader, writer):
        writer.write(frame(encode(Ask(id=1))))
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(1), WAIT_S) == b""
        writer.close()
