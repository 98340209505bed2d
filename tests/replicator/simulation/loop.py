"""Simulated time, and event loops in it: one for each program, all in one thread, in an order that the seed decides.

The tasks of production code run on these unchanged. What production gives to threads runs inline, a little later.
"""

import asyncio
import contextvars
import heapq
import itertools
import random
from collections import deque
from typing import Any


class Handle:
    """A callback that waits for its turn."""

    __slots__ = ("args", "call", "context", "loop", "stopped", "when")

    def __init__(self, loop, when, call, args, context) -> None:
        self.loop, self.when, self.call, self.args = loop, when, call, args
        self.context = contextvars.copy_context() if context is None else context
        self.stopped = False

    def cancel(self) -> None:
        self.stopped = True

    def cancelled(self) -> bool:
        return self.stopped


class Scheduler:
    """Time, and everything that happens in it; `chance` decides how long each thing takes."""

    def __init__(self, chance: random.Random) -> None:
        self.now_s = 0.0
        self.chance = chance
        self.ready: deque[Handle] = deque()
        self._timers: list[tuple[float, int, Handle]] = []
        self._numbers = itertools.count()
        self.handled = 0
        self.graveyard: list[Loop] = []
        self._running: Loop | None = None

    def run_as(self, loop: "Loop | None") -> None:
        """Whose callbacks run from now on; the whole process is told, and only when that changes, for it takes time."""
        if loop is not self._running:
            self._running = loop
            asyncio.events._set_running_loop(loop)

    def at(self, when_s: float, call, *args, loop=None) -> Handle:
        """Call it then; on behalf of the program that `loop` belongs to, if it still lives."""
        handle = Handle(loop, max(when_s, self.now_s), call, args, _EMPTY if loop is None else None)
        heapq.heappush(self._timers, (handle.when, next(self._numbers), handle))
        return handle

    def after(self, delay_s: float, call, *args, loop=None) -> Handle:
        return self.at(self.now_s + delay_s, call, *args, loop=loop)

    def run_until(self, end_s: float) -> None:
        """Let everything happen up to that moment."""
        timers, ready = self._timers, self.ready
        while True:
            while ready:
                self._run(ready.popleft())
            if not timers or timers[0][0] > end_s:
                break
            when, _, handle = heapq.heappop(timers)
            if not handle.stopped:
                self.now_s = when
                self._run(handle)
        self.now_s = max(self.now_s, end_s)

    def _run(self, handle: Handle) -> None:
        if handle.stopped:
            return
        self.handled += 1
        loop = handle.loop
        try:
            if loop is None:
                handle.call(*handle.args)
            elif not loop.dead:
                loop.run_handle(handle)
        finally:  # even when it was a bug: else what is left of the dead ends some time later, in another test
            while self.graveyard:
                self.bury(self.graveyard.pop())

    def bury(self, loop: "Loop") -> None:
        """The program is dead: end its tasks, without effect on the world, so that nothing of it is left."""
        self.run_as(loop)
        left = deque(handle for handle in self.ready if handle.loop is loop)
        others = [handle for handle in self.ready if handle.loop is not loop]
        self.ready.clear()
        self.ready.extend(others)
        loop.afterlife = left
        for task in loop.tasks:
            task.cancel()
        for done in list(loop.under_way):
            done.cancel()
        for _ in range(100_000):
            if not left:
                break
            handle = left.popleft()
            if not handle.stopped:
                loop.run_handle(handle)
        loop.tasks.clear()


_EMPTY = contextvars.Context()


class Loop(asyncio.AbstractEventLoop):
    """The event loop of one program; `enter` tells the world whose turn it is."""

    def __init__(self, scheduler: Scheduler, enter, latency_s) -> None:
        self.dead = False
        self.afterlife: deque[Handle] | None = None
        self.tasks: list[asyncio.Task[Any]] = []
        self.under_way: dict[asyncio.Future[Any], None] = {}
        self.trouble: list[dict[str, Any]] = []
        self._scheduler, self._enter, self._latency_s = scheduler, enter, latency_s

    def run_handle(self, handle: Handle) -> None:
        self._enter()
        self._scheduler.run_as(self)
        try:
            handle.context.run(handle.call, *handle.args)
        except GeneratorExit:
            return  # the program died within

    def call_soon(self, callback, *args, context=None):
        handle = Handle(self, self._scheduler.now_s, callback, args, context)
        (self._scheduler.ready if self.afterlife is None else self.afterlife).append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(self, delay, callback, *args, context=None):
        return self.call_at(self._scheduler.now_s + delay, callback, *args, context=context)

    def call_at(self, when, callback, *args, context=None):
        return self._scheduler.at(when, callback, *args, loop=self)

    def time(self):
        return self._scheduler.now_s

    def create_future(self):
        return asyncio.Future(loop=self)

    def create_task(self, coro, *, name=None, context=None):
        task = asyncio.Task(coro, loop=self, name=name or "t", context=context)
        self.tasks.append(task)
        if len(self.tasks) > 200:
            self.tasks = [task for task in self.tasks if not task.done()]
        return task

    def run_in_executor(self, executor, func, *args):
        done = self.create_future()
        if self.afterlife is not None:
            done.cancel()
            return done
        self.under_way[done] = None
        self._scheduler.after(self._latency_s(), self._execute, done, func, args, loop=self)
        return done

    def _execute(self, done, func, args) -> None:
        try:
            result = func(*args)
        except GeneratorExit:
            return  # the program died within
        except BaseException as error:  # noqa: BLE001 it is the caller's
            self._scheduler.after(self._latency_s(), self._deliver, done, None, error, loop=self)
        else:
            self._scheduler.after(self._latency_s(), self._deliver, done, result, None, loop=self)

    def _deliver(self, done, result, error) -> None:
        del self.under_way[done]
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)

    def call_exception_handler(self, context):
        self.trouble.append(context)

    def get_debug(self):
        return False

    def is_running(self):
        return True

    def is_closed(self):
        return False
