"""How fast is our SFTP door, with durable publishing on, against OpenSSH's sshd (without)? Client: OpenSSH's sftp."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click

from bench.servers import Bench, Server, bench_in
from bench.sheet import Sheet, median, package_version
from cluster.clock import monotonic_s

NETWORK = "127.77.10"
OURS_PORT = 2022


@dataclass(frozen=True)
class Door:
    """An SFTP server and the client's way in."""

    server: Server
    port: int
    key: Path

    def run(self, *lines: str, cipher: str = "") -> float:
        """Do a batch of OpenSSH's sftp, from connecting to its end; returns the seconds it took."""
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes", "LogLevel=ERROR"]
        command = ["sftp", "-q", "-F", "none", "-b", "-", "-i", str(self.key), "-P", str(self.port)]
        command += [word for option in options for word in ("-o", option)]
        command += ["-c", cipher] if cipher else []
        began_s = monotonic_s()
        work = "\n".join(lines).encode() + b"\n"
        done = subprocess.run(
            [*command, f"{self.server.account}@{self.server.address}"], input=work, capture_output=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"sftp to {self.server.name}: {done.stderr.decode()}")
        return monotonic_s() - began_s

    def path(self, name: str) -> str:
        return f"{self.server.folder}{name}"


@click.command()
@click.option("--quick", is_flag=True, help="Smaller, within 45 s.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write what was found here.")
@click.option("--page", type=click.Path(path_type=Path, exists=True), help="Put it into the SFTP section here.")
def main(file: Path | None, page: Path | None, *, quick: bool) -> None:
    """One stream up and down, small files in one session, short sessions with 1 to 16 clients."""
    if shutil.which("sftp") is None or shutil.which("ssh-keygen") is None:
        raise SystemExit("the client is OpenSSH's: install openssh-client")
    sheet = Sheet()
    with (
        tempfile.TemporaryDirectory(prefix="tripod-bench-", dir="/var/tmp") as temporary,
        bench_in(Path(temporary), NETWORK) as bench,
    ):
        folder = Path(temporary)
        key = folder / "client_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        ours, theirs = _ours(bench, key), _sshd(bench, key)
        if theirs is None:
            sheet.missing("OpenSSH sshd")
        doors = [door for door in (ours, theirs) if door is not None]
        _streams(sheet, folder, doors, quick=quick)
        _small_files(sheet, folder, doors, quick=quick)
        _short_sessions(sheet, folder, doors, quick=quick)
    sheet.show(file)
    if page is not None:
        versions = {"paramiko": package_version("paramiko"), "OpenSSH": _version_of_openssh()}
        sheet.write_section(page, "SFTP", versions, quick=quick)


def _version_of_openssh() -> str:
    found = subprocess.run(["ssh", "-V"], check=False, capture_output=True, text=True).stderr
    return found.partition("OpenSSH_")[2].partition(" ")[0]


def _ours(bench: Bench, key: Path) -> Door:
    def open_door(document: dict) -> None:
        document["sites"]["ingest"]["sftp_port"] = OURS_PORT
        document["accounts"]["station"]["public_keys"] = [key.with_suffix(".pub").read_text().strip()]

    return Door(bench.ftpnode(open_door), OURS_PORT, key)


def _sshd(bench: Bench, key: Path) -> Door | None:
    """OpenSSH's server on a loopback port for the user who runs this; None where it is not installed."""
    program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if program is None:
        return None
    folder = bench.folder / "sshd"
    (folder / "files").mkdir(parents=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "host_key")], check=True)
    shutil.copy(key.with_suffix(".pub"), folder / "authorized")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # as root it insists on its empty folder
    settings = {
        "Port": 2121, "ListenAddress": f"{bench.network}.51", "HostKey": folder / "host_key", "PidFile": "none",
        "AuthorizedKeysFile": folder / "authorized", "StrictModes": "no", "UsePAM": "no", "PermitRootLogin": "yes",
        "PasswordAuthentication": "no", "Subsystem": "sftp internal-sftp", "MaxStartups": "1000", "PrintMotd": "no",
    }  # fmt: skip
    file = folder / "sshd_config"
    file.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    user = subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()
    command = [program, "-D", "-e", "-f", str(file)]
    server = bench.start("sshd", f"{bench.network}.51", user, "", command, f"{folder}/files/", greeting=b"SSH-")
    return Door(server, 2121, key)


def _streams(sheet: Sheet, folder: Path, doors: list[Door], *, quick: bool) -> None:
    size_bytes = (64 if quick else 512) << 20
    content = folder / "content"
    block = os.urandom(1 << 20)
    with content.open("wb") as out:
        for _ in range(size_bytes >> 20):
            out.write(block)
    for cipher, kind in (("", "default cipher"), ("aes128-ctr", "aes128-ctr")):
        up: dict[str, list[float]] = {door.server.name: [] for door in doors}
        down: dict[str, list[float]] = {door.server.name: [] for door in doors}
        for _ in range(3):  # in turn, so that a machine whose speed drifts treats all alike
            for door in doors:
                up[door.server.name].append(door.run(f"put {content} {door.path('up.bin')}", cipher=cipher))
                down[door.server.name].append(door.run(f"get {door.path('up.bin')} /dev/null", cipher=cipher))
        for way, found in (("upload", up), ("download", down)):
            speeds = {name: size_bytes / 1e6 / sorted(values)[1] for name, values in found.items()}
            _compare(sheet, f"{way} {size_bytes >> 20} MiB, {kind}", "MB/s", f"{way}_{cipher or 'default'}", speeds)


def _small_files(sheet: Sheet, folder: Path, doors: list[Door], *, quick: bool) -> None:
    count = 100 if quick else 500
    many = folder / "many"
    many.mkdir()
    for number in range(count):
        (many / f"{number:04}").write_bytes(os.urandom(10_240))
    found = {door.server.name: count / door.run(f"put -r {many} {door.path('many')}") for door in doors}
    _compare(sheet, f"{count} files of 10 KB in one session", "files/s", "small_files", found)


def _short_sessions(sheet: Sheet, folder: Path, doors: list[Door], *, quick: bool) -> None:
    small = folder / "small"
    small.write_bytes(os.urandom(10_240))
    sessions = 12 if quick else 60

    def rate(door: Door, clients: int) -> float:
        def one(number: int) -> float:
            return door.run(f"put {small} {door.path(f'short-{clients}-{number}')}")

        began_s = monotonic_s()
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(one, range(sessions)))
        return sessions / (monotonic_s() - began_s)

    def measured(door: Door) -> Callable[[], float]:
        return lambda: rate(door, 4)

    found = {door.server.name: median(measured(door), 3) for door in doors}
    _compare(sheet, "login + 10 KB upload + quit, 4 clients", "sessions/s", "short_sessions", found)
    sheet.growth("short sessions/s by clients", {clients: rate(doors[0], clients) for clients in (1, 4, 16)})


def _compare(sheet: Sheet, what: str, unit: str, ratio: str, found: dict[str, float]) -> None:
    sheet.figure(what, unit, **found)
    if "sshd" in found:
        sheet.ratio(f"sftp_{ratio}_vs_sshd", found["ftpnode"] / found["sshd"])


if __name__ == "__main__":
    main()
