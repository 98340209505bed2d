"""The lab in containers, brought up once by pytest-docker from compose/docker-compose.yml, with this tree's image."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from ftplib import FTP, FTP_TLS
from pathlib import Path

import msgspec
import pytest

from tests.kit.clients import plain_client, secure_client
from tests.kit.wait import until

COMPOSE_FOLDER = Path(__file__).parents[2] / "compose"
VIP = "127.0.0.1"


class ContainerLab(msgspec.Struct, frozen=True):
    """The running lab: `compose` runs docker-compose on it, the rest are the doors that a user has."""

    command: tuple[str, ...]
    passwords: dict[str, str]
    ingest_port: int
    public_port: int
    ca: Path

    def compose(self, *arguments: str) -> str:
        done = subprocess.run([*self.command, *arguments], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def login(self, account: str) -> FTP:
        return plain_client(VIP, self.ingest_port, account, self.passwords[account])

    def secure_login(self, account: str) -> FTP_TLS:
        password = self.passwords[account]
        return secure_client(VIP, self.ingest_port, account, password, self.ca, check_name=False)

    def anonymous(self) -> FTP:
        return plain_client(VIP, self.public_port)

    def content_on(self, node: str, path: str) -> bytes | None:
        """What one node holds under a tree path, read on its own disk, None when there is nothing."""
        reader = "import sys, pathlib; sys.stdout.write(pathlib.Path(sys.argv[1]).read_bytes().hex())"
        full = f"/var/lib/tripod/{node}/root/{path}"
        arguments = ["exec", "-T", f"{node}-replicator", "python", "-c", reader, full]
        done = subprocess.run([*self.command, *arguments], capture_output=True, text=True, timeout=60, check=False)
        return bytes.fromhex(done.stdout.strip()) if done.returncode == 0 else None

    def wait_usable(self, *nodes: str) -> None:
        """Until the balancer would send clients to exactly these nodes."""
        until(lambda: self._usable() == set(nodes), f"the balancer uses {nodes}", timeout_s=90, every_s=0.5)

    def _usable(self) -> set[str]:
        shown = self.compose(
            "exec", "-T", "balancer", "balancer", "status", "--config", "/etc/tripod/cluster.yaml", "--json"
        )
        return {node["node"] for node in json.loads(shown)["nodes"] if node["usable"]}


def _compose_command() -> str | None:
    if shutil.which("docker-compose"):
        return "docker-compose"
    found = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return "docker compose" if found.returncode == 0 else None


@pytest.fixture(scope="session")
def engine() -> None:
    if shutil.which("docker") is None:
        pytest.skip("there is no Docker engine here: docker is not installed")
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        pytest.skip("there is no Docker engine here: `docker info` fails")
    if _compose_command() is None:
        pytest.skip("there is no Compose here: neither docker-compose nor `docker compose`")
    built = subprocess.run(
        [COMPOSE_FOLDER / "build-image", "-q"], capture_output=True, text=True, timeout=1500, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr


@pytest.fixture(scope="session")
def docker_compose_command() -> str:
    return _compose_command() or "docker-compose"


@pytest.fixture(scope="session")
def docker_compose_file() -> str:
    return str(COMPOSE_FOLDER / "docker-compose.yml")


@pytest.fixture(scope="session")
def docker_compose_project_name() -> str:
    return "tripodtest"


@pytest.fixture(scope="session")
def docker_setup(engine) -> list[str]:  # noqa: ARG001 - nothing may be set up before the engine and the image are there
    return ["down -v --remove-orphans", "up -d balancer"]  # what an interrupted run left would be in the way


@pytest.fixture(scope="session")
def lab(
    docker_services, docker_compose_command, docker_compose_file, docker_compose_project_name, tmp_path_factory
) -> Iterator[ContainerLab]:
    command = (*docker_compose_command.split(), "-f", docker_compose_file, "-p", docker_compose_project_name)
    folder = tmp_path_factory.mktemp("lab")

    def read(path: str) -> str:
        reading = [*command, "exec", "-T", "balancer", "cat", path]
        return subprocess.run(reading, capture_output=True, text=True, check=True).stdout

    (folder / "ca.crt").write_text(read("/etc/tripod/keys/ca.crt"))
    lab = ContainerLab(
        command=command,
        passwords=json.loads(read("/etc/tripod/keys/passwords.json")),
        ingest_port=docker_services.port_for("balancer", 2121),
        public_port=docker_services.port_for("balancer", 2122),
        ca=folder / "ca.crt",
    )
    lab.wait_usable("node1", "node2")
    return lab
