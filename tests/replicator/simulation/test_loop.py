"""A program that dies ends at once, wherever it was: nothing of it is left to end when garbage is collected."""

import asyncio
import random

import pytest

from tests.replicator.simulation.kernel import Crashed
from tests.replicator.simulation.loop import Loop, Scheduler


class Program:
    """A loop with one task that has something to await when it ends."""

    def __init__(self) -> None:
        self.scheduler = Scheduler(random.Random(1))
        self.loop = Loop(self.scheduler, lambda: None, lambda: 0.0)
        self.ended = False
        self.scheduler.run_as(self.loop)
        self.loop.create_task(self._work())

    def die(self):
        self.loop.dead = True
        self.scheduler.graveyard.append(self.loop)

    async def _work(self):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.ended = True


@pytest.fixture
def program():
    program = Program()
    yield program
    program.scheduler.run_as(None)


def test_it_may_die_in_a_plain_callback(program):
    def crash():
        program.die()
        raise Crashed

    program.loop.call_later(1.0, crash)
    program.scheduler.run_until(2.0)
    assert program.ended


def test_what_is_buried_may_have_callbacks_that_find_it_dead(program):
    def find_it_dead():
        raise Crashed

    def die():
        program.die()
        program.loop.call_soon(find_it_dead)

    program.loop.call_later(1.0, die)
    program.scheduler.run_until(2.0)
    assert program.ended


def test_it_is_buried_though_there_was_a_bug_too(program):
    def break_down():
        program.die()
        raise ZeroDivisionError

    program.loop.call_later(1.0, break_down)
    with pytest.raises(ZeroDivisionError):
        program.scheduler.run_until(2.0)
    assert program.ended
