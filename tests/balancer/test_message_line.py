"""The line between processes of a balancer: messages whole and in order, sockets with them, and its end noticed."""

import asyncio
import os
import socket

import msgspec
import pytest

from balancer.message_line import LineEndedError, MessageLine, line_ends

pytestmark = pytest.mark.asyncio


class Word(msgspec.Struct, frozen=True):
    text: str


def lines() -> tuple[MessageLine[Word], MessageLine[Word]]:
    one, other = line_ends()
    decode = msgspec.msgpack.Decoder(Word).decode
    return MessageLine(one, decode), MessageLine(other, decode)


@pytest.mark.parametrize("length", [0, 1, 32_000, 33_000, 3_000_000])
async def test_a_message_of_any_length_arrives_whole_with_its_sockets(length):
    here, there = lines()
    one, other = socket.socketpair()
    here.send(Word("x" * length), [one])
    word, (copy,) = await there.receive()
    assert word.text == "x" * length
    one.close()
    copy.send(b"through the copy")
    assert other.recv(100) == b"through the copy"
    for each in (copy, other):
        each.close()
    here.close()
    there.close()


async def test_what_the_kernel_does_not_take_at_once_comes_later_and_in_order():
    here, there = lines()
    for number in range(3000):
        here.send(Word(str(number)))
    assert [(await there.receive())[0].text for _ in range(3000)] == [str(number) for number in range(3000)]
    here.close()
    there.close()


async def test_the_end_of_one_end_is_heard_at_the_other_after_all_that_was_said():
    here, there = lines()
    here.send(Word("last"))
    here.close()
    assert (await there.receive())[0].text == "last"
    with pytest.raises(LineEndedError, match="gone"):
        await there.receive()
    there.send(Word("nobody hears this"))


async def test_who_waits_is_woken_by_the_close():
    here, there = lines()
    waiting = asyncio.create_task(here.receive())
    await asyncio.sleep(0)
    here.close()
    with pytest.raises(LineEndedError):
        await waiting
    there.close()


@pytest.mark.parametrize("payload", [b"\0rubbish", b"\1", b"x", b"\0"])
async def test_what_cannot_be_understood_ends_the_line_and_leaks_no_descriptor(payload):
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - of this process
    one, other = line_ends()
    there = MessageLine(other, msgspec.msgpack.Decoder(Word).decode)
    with one, socket.socket() as carried:
        socket.send_fds(one, [payload], [carried.fileno()] if payload != b"\1" else [])
        with pytest.raises(LineEndedError, match="understood"):
            await there.receive()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
