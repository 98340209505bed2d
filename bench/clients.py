"""The load of a bench: one stream by curl, many short sessions by processes of raw FTP clients."""

import contextlib
import multiprocessing
import re
import socket
import statistics
import struct
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from bench.processes import cpu_s, memory_mb
from bench.servers import Server
from cluster.clock import monotonic_s

_TIMEOUT = struct.pack("ll", 60, 0)
_TRIES = 40
_EPSV = re.compile(rb"\(\|\|\|(\d+)\|\)")


@dataclass(frozen=True)
class Load:
    """What each client of a bench of short sessions does."""

    sessions: int
    size_bytes: int
    tries: int


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
    with _logged_in(server) as control:
        times_s = []
        for _ in range(commands):
            began_s = monotonic_s()
            _ask(control, "PWD", b"257")
            times_s.append(monotonic_s() - began_s)
    return statistics.median(times_s) * 1000


def sessions_per_s(server: Server, clients: int, sessions: int, size_bytes: int) -> float:
    """Login, upload of `size_bytes` under a new name, quit; `clients` at once, `sessions` in all. All must succeed."""
    return _sessions(server, clients, sessions, size_bytes, tries=1)[0]


def patient_sessions_per_s(server: Server, clients: int, sessions: int, size_bytes: int) -> tuple[float, int]:
    """The same with a server that turns clients away: they come again. Good sessions a second, and how many failed."""
    return _sessions(server, clients, sessions, size_bytes, tries=_TRIES)


def _sessions(server: Server, clients: int, sessions: int, size_bytes: int, *, tries: int) -> tuple[float, int]:
    processes = min(clients, 2)
    shares = [(clients // processes) + (number < clients % processes) for number in range(processes)]
    each = max(1, sessions // clients)
    start, failed = multiprocessing.Event(), multiprocessing.Value("i")
    load = Load(each, size_bytes, tries)
    workers = [
        multiprocessing.Process(target=_work, args=(server, share, load, f"{uuid4().hex}-{number}", start, failed))
        for number, share in enumerate(shares)
    ]
    for worker in workers:
        worker.start()
    began_s = monotonic_s()
    start.set()
    for worker in workers:
        worker.join()
    passed_s = monotonic_s() - began_s
    if any(worker.exitcode for worker in workers):
        raise SystemExit(f"a client of {server.name} failed")
    return clients * each / passed_s, failed.value


def idle_cost(server: Server, sessions: int, seconds: float) -> tuple[float, float]:
    """What so many logged-in sessions that do nothing cost: megabytes of memory, and percent of a core."""
    with _logged_in(server):  # what the first session alone makes it load is not the price of a session
        before_mb = memory_mb(server.processes())
    with contextlib.ExitStack() as stack:
        for _ in range(sessions):
            stack.enter_context(_logged_in(server))
        used_s = cpu_s(server.processes())
        threading.Event().wait(seconds)
        return memory_mb(server.processes()) - before_mb, (cpu_s(server.processes()) - used_s) / seconds * 100


def slowest_reply_ms(server: Server, seconds: float, *, entries: int) -> float:
    """The longest that one session waits for the reply to a NOOP while another lists a folder of so many files.

    Without `entries` nobody lists, which tells what the machine itself adds.
    """
    over = threading.Event()
    folder = server.home / f"listed-{entries}"
    if not folder.exists():
        folder.mkdir()
        for number in range(entries):
            (folder / f"ABCD00DEU_R_{number:011}_01H_01S_MO.crx.gz").touch()
    listing = ["curl", "-sS", "-u", server.user, "-o", "/dev/null", f"{server.url}{folder.name}/"]

    def list_again() -> None:
        while not over.is_set():
            subprocess.run(listing, check=True, capture_output=True)

    lister = threading.Thread(target=list_again)
    with _logged_in(server) as control:
        if entries:
            lister.start()
        until_s, slowest_s = monotonic_s() + seconds, 0.0
        while (began_s := monotonic_s()) < until_s:
            _ask(control, "NOOP", b"200")
            slowest_s = max(slowest_s, monotonic_s() - began_s)
            over.wait(0.001)
        over.set()
    if entries:
        lister.join()
    return slowest_s * 1000


def _timed(server: Server, size_bytes: int, arguments: list[str], *, tls: bool) -> float:
    secure = ["--ssl-reqd", "-k"] if tls else []
    began_s = monotonic_s()
    subprocess.run(["curl", "-sS", "-u", server.user, *secure, *arguments], check=True, capture_output=True)
    return size_bytes / 1e6 / (monotonic_s() - began_s)


def _work(server, clients, load, prefix, start, failed) -> None:
    content = bytes(load.size_bytes)
    failures: list[BaseException] = []

    def client(mine: int) -> None:
        try:
            for turn in range(load.sessions):
                _try_session(server, f"{server.folder}{prefix}-{mine}-{turn}", content, load.tries, failed)
        except BaseException as failure:
            failures.append(failure)
            raise

    threads = [threading.Thread(target=client, args=(mine,)) for mine in range(clients)]
    start.wait()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    raise SystemExit(1 if failures else 0)


def _try_session(server, name, content, tries, failed) -> None:
    """A session that is tried so often at most; `failed` counts those that failed before a good one."""
    for left in reversed(range(tries)):
        try:
            _session(server, name, content)
        except (OSError, RuntimeError):
            if not left:
                raise
            with failed.get_lock():
                failed.value += 1
            threading.Event().wait(0.05)
        else:
            return


def _session(server: Server, name: str, content: bytes) -> None:
    """As lean as can be: what the client costs, the server on the same machine lacks."""
    with _logged_in(server) as control:
        _ask(control, "TYPE I", b"200")
        found = _EPSV.search(_ask(control, "EPSV", b"229"))
        assert found is not None
        with _connection(server.address, int(found[1])) as data:
            _ask(control, f"STOR {name}", b"1")
            data.sendall(content)
        _expect(control, b"226")
        _ask(control, "QUIT", b"221")


def _logged_in(server: Server) -> socket.socket:
    control = _connection(server.address, server.port)
    control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _expect(control, b"220")
    _ask(control, f"USER {server.account}", b"331")
    _ask(control, f"PASS {server.password}", b"230")
    return control


def _connection(address: str, port: int) -> socket.socket:
    """Blocking, with the kernel's timeout: Python's own costs a poll for every call."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEOUT)
    connection.connect((address, port))
    return connection


def _ask(control: socket.socket, command: str, wanted: bytes) -> bytes:
    control.sendall(command.encode() + b"\r\n")
    return _expect(control, wanted)


def _expect(control: socket.socket, wanted: bytes) -> bytes:
    """The next reply, of one line or several; no server here sends two before it is asked again."""
    reply = b""
    while not (reply.endswith(b"\r\n") and reply[:-2].rpartition(b"\n")[2][3:4] == b" "):
        came = control.recv(4096)
        if not came:
            break
        reply += came
    if not reply.startswith(wanted):
        raise RuntimeError(f"{reply!r} where {wanted!r} belongs")
    return reply
