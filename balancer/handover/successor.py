"""Starts the balancer that shall take over from this one, and says to a supervisor which process serves."""

import asyncio
import os
import socket
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cluster.log import LogFormat, logger

log = logger(__name__)

_STARTED_S: Final = 60.0


def successor_command(file: Path, log_format: LogFormat) -> tuple[str, ...]:
    """What starts a balancer like this one, by the code that is installed then, that takes over."""
    options = ("--take-over", "--config", str(file.absolute()), "--log-format", log_format)
    return (sys.executable, "-m", "balancer", "run", *options)


async def start_successor(command: Sequence[str], took_over: asyncio.Event) -> int:
    """Start it and wait until it serves; returns its process. ValueError when it does not; this one goes on then.

    It writes where this one does, in a session of its own.
    """
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, start_new_session=True)
    except OSError as error:
        raise ValueError(f"the new balancer cannot be started: {error.strerror}") from error
    log.info("a new balancer is started", process=process.pid)
    serves, ends = asyncio.create_task(took_over.wait()), asyncio.create_task(process.wait())
    try:
        await asyncio.wait((serves, ends), timeout=_STARTED_S, return_when=asyncio.FIRST_COMPLETED)
        if serves.done():
            return process.pid
        if ends.done():
            raise ValueError(f"the new balancer ended with status {process.returncode}; the balancer's log says why")
        process.kill()
        raise ValueError(f"the new balancer did not serve within {_STARTED_S:.0f} s and was killed")
    finally:
        serves.cancel()
        ends.cancel()


def tell_supervisor() -> None:
    """Tell systemd, where it started us (sd_notify(3)), that we serve, and which process is the one to look after."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.connect("\0" + address[1:] if address.startswith("@") else address)
            sock.send(f"READY=1\nMAINPID={os.getpid()}".encode())
    except OSError as error:
        log.warning("the supervisor cannot be told", why=error.strerror)
