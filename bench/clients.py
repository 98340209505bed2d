"""The load of a bench: one stream by curl, many short sessions by processes of raw FTP clients."""

import contextlib
import multiprocessing
import re
import socket
import statistics
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from bench.servers import Server
from cluster.clock import monotonic_s

_EPSV = re.compile(rb"\(\|\|\|(\d+)\|\)")


def upload_mb_s(server: Server, file: Path, *, tls: bool) -> float:
    """One stream up by curl, from connecting to the 226; megabytes (10^6) a second."""
    return _timed(server, file.stat().st_size, ["-T", str(file), f"{server.url}up.bin"], tls=tls)


def download_mb_s(server: Server, size_bytes: int, *, tls: bool) -> float:
    """What `upload_mb_s` left, down into nothing."""
    return _timed(server, size_bytes, ["-o", "/dev/null", f"{server.url}up.bin"], tls=tls)


def streams_mb_s(server: Server, file: Path, streams: int, *, up: bool, tls: bool = False) -> float:
    """So many streams at once by one curl each, up from `file`, or as many bytes down; megabytes (10^6) a second."""
    size_bytes = file.stat().st_size
    secure = ["--ssl-reqd", "-k"] if tls else []
    way = ["-T", str(file), f"{server.url}up.bin"] if up else ["-o", "/dev/null", f"{server.url}{size_bytes}"]
    command = ["curl", "-sS", "-u", server.user, *secure, *way]
    began_s = monotonic_s()
    running = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(streams)]
    for process in running:
        _, said = process.communicate()
        if process.returncode:
            raise SystemExit(f"a client of {server.name} failed: {said.decode().strip()}")
    return streams * size_bytes / 1e6 / (monotonic_s() - began_s)


def command_ms(server: Server, commands: int) -> float:
    """The median time between a command that only a node can answer (PWD) and its reply, in milliseconds."""
    with logged_in(server) as (control, replies):
        times_s = []
        for _ in range(commands):
            began_s = monotonic_s()
            control.sendall(b"PWD\r\n")
            _expect(replies, b"257")
            times_s.append(monotonic_s() - began_s)
    return statistics.median(times_s) * 1000


@contextlib.contextmanager
def logged_in(server: Server) -> Iterator[tuple[socket.socket, BinaryIO]]:
    """A session's control connection, and its replies."""
    with (
        socket.create_connection((server.address, server.port), timeout=60) as control,
        control.makefile("rb") as replies,
    ):
        control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _expect(replies, b"220")
        for command, wanted in ((f"USER {server.account}", b"331"), (f"PASS {server.password}", b"230")):
            control.sendall(command.encode() + b"\r\n")
            _expect(replies, wanted)
        yield control, replies


def sessions_per_s(server: Server, clients: int, sessions: int, size_bytes: int) -> float:
    """Login, upload of `size_bytes` under a new name, quit; `clients` at once, `sessions` in all."""
    processes = min(clients, 2)
    shares = [(clients // processes) + (number < clients % processes) for number in range(processes)]
    each = max(1, sessions // clients)
    start = multiprocessing.Event()
    workers = [
        multiprocessing.Process(target=_work, args=(server.address, server.port, server.account, server.password,
                                                    server.folder, share, each, size_bytes, number, start))
        for number, share in enumerate(shares)
    ]  # fmt: skip
    for worker in workers:
        worker.start()
    began_s = monotonic_s()
    start.set()
    for worker in workers:
        worker.join()
    passed_s = monotonic_s() - began_s
    if any(worker.exitcode for worker in workers):
        raise SystemExit(f"a client of {server.name} failed")
    return clients * each / passed_s


def idle_cost(server: Server, sessions: int, seconds: float) -> tuple[float, float]:
    """What so many logged-in sessions that do nothing cost: megabytes of memory, and percent of a core."""
    before_mb = _memory_mb(server)
    with contextlib.ExitStack() as stack:
        for _ in range(sessions):
            stack.enter_context(logged_in(server))
        used_s = _cpu_s(server)
        threading.Event().wait(seconds)
        return _memory_mb(server) - before_mb, (_cpu_s(server) - used_s) / seconds * 100


def _memory_mb(server: Server) -> float:
    """Resident, of the server and its children; 10^6 bytes."""
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in server.processes()]
    return sum(pages) * 4096 / 1e6


def _cpu_s(server: Server) -> float:
    """User and system time so far, of the server and its children."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in server.processes()]
    return sum(int(each[11]) + int(each[12]) for each in fields) / 100


def _timed(server: Server, size_bytes: int, arguments: list[str], *, tls: bool) -> float:
    secure = ["--ssl-reqd", "-k"] if tls else []
    began_s = monotonic_s()
    subprocess.run(["curl", "-sS", "-u", server.user, *secure, *arguments], check=True, capture_output=True)
    return size_bytes / 1e6 / (monotonic_s() - began_s)


def _work(address, port, account, password, folder, clients, sessions, size_bytes, number, start) -> None:  # noqa: PLR0913, PLR0917
    content = bytes(size_bytes)
    start.wait()
    failures: list[BaseException] = []

    def client(mine: int) -> None:
        try:
            for turn in range(sessions):
                _session(address, port, account, password, f"{folder}{number}-{mine}-{turn}", content)
        except BaseException as failure:
            failures.append(failure)
            raise

    threads = [threading.Thread(target=client, args=(mine,)) for mine in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    raise SystemExit(1 if failures else 0)


def _session(address: str, port: int, account: str, password: str, name: str, content: bytes) -> None:
    with socket.create_connection((address, port), timeout=60) as control:
        replies = control.makefile("rb")
        _expect(replies, b"220")
        for command, wanted in ((f"USER {account}", b"331"), (f"PASS {password}", b"230"), ("TYPE I", b"200")):
            control.sendall(command.encode() + b"\r\n")
            _expect(replies, wanted)
        control.sendall(b"EPSV\r\n")
        found = _EPSV.search(_expect(replies, b"229"))
        assert found is not None
        data = socket.create_connection((address, int(found[1])), timeout=60)
        control.sendall(f"STOR {name}\r\n".encode())
        _expect(replies, b"1")
        with data:
            data.sendall(content)
        _expect(replies, b"226")
        control.sendall(b"QUIT\r\n")
        _expect(replies, b"221")


def _expect(replies, wanted: bytes) -> bytes:
    line = replies.readline()
    while line[3:4] == b"-":
        line = replies.readline()
    if not line.startswith(wanted):
        raise SystemExit(f"{line!r} where {wanted!r} belongs")
    return line
