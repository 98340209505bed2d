"""The FTP servers that a bench compares, each as a process of its own on a loopback address of its own."""

import contextlib
import datetime
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import yaml

from bench.processes import end
from cluster.clock import monotonic_s
from cluster.read_settings import read_settings
from compose.new_cluster import network_plan, write_cluster

NETWORK = "127.77.7"
PASSWORD = "bench"


@dataclass(frozen=True)
class Server:
    """A running server and how to log in; `folder` is where uploads go, as the client names it.

    `home` is the account's folder on the disk, where the bench knows it.
    """

    name: str
    address: str
    account: str
    password: str
    process: subprocess.Popen
    folder: str = ""
    port: int = 2121
    home: Path = Path("/nowhere")

    @property
    def url(self) -> str:
        return f"ftp://{self.address}:{self.port}/{self.folder}"

    @property
    def user(self) -> str:
        return f"{self.account}:{self.password}"

    def processes(self) -> list[int]:
        """The server's own process and its children."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, children)]


@dataclass
class Bench:
    """Starts servers in one folder and ends them all."""

    folder: Path
    network: str = NETWORK
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def ftpnode(self, change: Callable[[dict], None] = lambda _: None, *, workers: int = 1) -> Server:
        """Our ftpnode, publishing by itself: durable, policy `local`; `change` is made to its cluster.yaml."""
        name, number = ("ftpnode", 11) if workers == 1 else (f"ftpnode of {workers} workers", 100 + workers)
        folder, address = self.folder / ("ours" if workers == 1 else f"ours-{workers}"), f"{self.network}.{number}"
        plan = msgspec.structs.replace(
            network_plan("bench", 1, network=self.network),
            mode="none",
            limits={"sessions": 100_000, "sessions_per_address": 100_000},
        )
        passwords = write_cluster(folder, plan, datetime.datetime.now(datetime.UTC))
        file = folder / "cluster.yaml"
        document = yaml.safe_load(file.read_text())
        document["nodes"]["node1"] |= {"workers": workers, "address": address}
        change(document)
        file.write_text(yaml.safe_dump(document))
        command = [sys.executable, "-m", "ftpnode", "--config", str(file), "--node", "node1"]
        server = self.start(name, address, "station", passwords["station"], command)
        settings = read_settings(file)
        home = settings.nodes["node1"].root / settings.accounts["station"].home.strip("/")
        return replace(server, home=home)

    def bare(self, *, tls: bool = False) -> Server:
        """pyftpdlib as it comes."""
        root = self.folder / ("bare-tls" if tls else "bare")
        root.mkdir()
        address = f"{self.network}.{22 if tls else 21}"
        keys = self.folder / "ours/keys"
        pair = [str(keys / "node1.crt"), str(keys / "node1.key")] if tls else ["", ""]
        command = [sys.executable, "-m", "bench.bare_pyftpdlib", address, "2121", str(root), PASSWORD, *pair]
        return replace(self.start("bare pyftpdlib", address, "station", PASSWORD, command), home=root)

    def vsftpd(self) -> Server | None:
        """vsftpd with anonymous uploads, so that it needs no account on this host; None where it is not installed."""
        if shutil.which("vsftpd") is None:
            return None
        root, keys = self.folder / "vsftpd", self.folder / "ours/keys"
        (root / "pub").mkdir(parents=True)
        shutil.chown(root / "pub", "ftp")
        empty = self.folder / "empty"
        empty.mkdir()
        self.folder.chmod(0o755)
        settings = {
            "listen": "YES", "background": "NO", "listen_address": f"{self.network}.31", "listen_port": "2121",
            "anonymous_enable": "YES", "anon_root": root, "write_enable": "YES", "anon_upload_enable": "YES",
            "anon_other_write_enable": "YES", "anon_umask": "022", "no_anon_password": "YES", "ssl_enable": "YES",
            "allow_anon_ssl": "YES", "force_local_data_ssl": "NO", "force_local_logins_ssl": "NO",
            "require_ssl_reuse": "NO", "rsa_cert_file": keys / "node1.crt", "rsa_private_key_file": keys / "node1.key",
            "ssl_ciphers": "HIGH", "secure_chroot_dir": empty, "seccomp_sandbox": "NO", "max_per_ip": "0",
            "max_clients": "0", "xferlog_enable": "NO",
        }  # fmt: skip
        file = self.folder / "vsftpd.conf"
        file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        return self.start("vsftpd", f"{self.network}.31", "anonymous", "x", ["vsftpd", str(file)], "pub/")

    def start(  # noqa: PLR0913, PLR0917 - a server is that much
        self,
        name: str,
        address: str,
        account: str,
        password: str,
        command: list[str],
        folder: str = "",
        environment: Mapping[str, str] | None = None,
        greeting: bytes = b"220",
    ) -> Server:
        """Start a server and wait for its greeting."""
        with contextlib.suppress(OSError), socket.create_connection((address, 2121), timeout=1):
            raise SystemExit(f"somebody else listens on {address}:2121; does another bench run?")
        log = (self.folder / f"{name}.log").open("wb")
        process = subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})}
        )
        self.stack.callback(end, process)
        self.stack.callback(log.close)
        deadline_s, pause = monotonic_s() + 20, threading.Event()
        while process.poll() is None and monotonic_s() < deadline_s:
            with contextlib.suppress(OSError), socket.create_connection((address, 2121), timeout=1) as probe:
                if probe.recv(4).startswith(greeting):
                    return Server(name, address, account, password, process, folder)
            pause.wait(0.1)
        raise SystemExit(f"{name} did not start: {(self.folder / f'{name}.log').read_text()[-500:]}")


@contextlib.contextmanager
def bench_in(folder: Path, network: str = NETWORK) -> Iterator[Bench]:
    """A bench whose servers are ended at the end."""
    bench = Bench(folder, network)
    with bench.stack:
        yield bench
