"""SFTP clients for tests: paramiko's, one that says exactly what it is told, OpenSSH's; a cluster with the door."""

import contextlib
import struct
import subprocess

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.kit.cluster_folder import rewritten

SFTP_PORT = 2022
LIMITS = {
    "publish_timeout_s": 1.5,
    "sessions_per_address": 30,
    "login_timeout_s": 3.0,
    "transfer_stall_s": 2.0,
    "minimum_bytes_per_s": 0,
}
WRITE, APPEND, CREATE, TRUNCATE, EXCLUSIVE = 2, 4, 8, 16, 32


def open_doors(document):
    """Give the sites of a cluster.yaml SFTP ports."""
    document["sites"]["ingest"]["sftp_port"] = SFTP_PORT
    document["sites"]["public"]["sftp_port"] = SFTP_PORT + 1


def with_sftp(cluster, public_key="", accounts=None, nodes=None):
    """The same cluster with SFTP ports and a public key for `station`; `accounts` and `nodes` are changes by name."""

    def change(document):
        open_doors(document)
        if public_key:
            document["accounts"]["station"]["public_keys"] = [public_key]
        for section, changes in (("accounts", accounts), ("nodes", nodes)):
            for name, wanted in (changes or {}).items():
                document[section][name] |= wanted

    return rewritten(cluster, change)


def new_key(folder):
    """A private key in a file, and its public half in a line."""
    file = folder / "station"
    private = Ed25519PrivateKey.generate()
    file.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    file.chmod(0o600)
    key = paramiko.Ed25519Key.from_private_key_file(str(file))
    return file, f"{key.get_name()} {key.get_base64()} station@example"


@contextlib.contextmanager
def connected(node, account="station", port=SFTP_PORT, **how):
    how = how or {"password": node.cluster.passwords.get(account, "")}
    transport = paramiko.Transport((node.host, port))
    try:
        transport.connect(username=account, **how)
        yield paramiko.SFTPClient.from_transport(transport)
    finally:
        transport.close()


class Raw:
    """Sends requests as bytes and reads answers as they come."""

    def __init__(self, transport):
        self.channel = transport.open_session()
        self.channel.settimeout(20)
        self.channel.invoke_subsystem("sftp")
        self.send(struct.pack(">BI", 1, 3))
        kind, self.version = self.receive()
        assert kind == 2

    def send(self, content):
        self.channel.sendall(struct.pack(">I", len(content)) + content)

    def request(self, kind, number, *fields):
        content = struct.pack(">BI", kind, number)
        for field in fields:
            if isinstance(field, bytes):
                content += struct.pack(">I", len(field)) + field
            else:
                content += struct.pack(">Q" if field > 0xFFFFFFFF else ">I", field)
        self.send(content)

    def write(self, number, handle, offset, data):
        self.send(struct.pack(">BI", 6, number) + string(handle) + struct.pack(">Q", offset) + string(data))

    def truncate(self, handle, size_bytes):
        self.send(struct.pack(">BI", 10, 4) + string(handle) + struct.pack(">IQ", 1, size_bytes))

    def open(self, path, flags=WRITE | CREATE | TRUNCATE):
        """The handle, or the status and its text."""
        self.request(3, 1, path, flags, 0)
        kind, answer = self.receive()
        return answer[8:] if kind == 102 else read_status(answer)

    def close(self, handle):
        self.request(4, 2, handle)
        return self.status()

    def status(self):
        kind, answer = self.receive()
        assert kind == 101, kind
        return read_status(answer)

    def receive(self):
        length = struct.unpack(">I", self._take(4))[0]
        packet = self._take(length)
        return packet[0], packet[1:]

    def _take(self, length):
        taken = b""
        while len(taken) < length:
            more = self.channel.recv(length - len(taken))
            if not more:
                raise EOFError("the channel has ended")
            taken += more
        return taken


def string(content):
    return struct.pack(">I", len(content)) + content


def read_status(answer):
    code, length = struct.unpack(">II", answer[4:12])
    return code, answer[12 : 12 + length].decode()


@contextlib.contextmanager
def raw(node, account="station"):
    transport = paramiko.Transport((node.host, SFTP_PORT))
    try:
        transport.connect(username=account, password=node.cluster.passwords[account])
        yield Raw(transport)
    finally:
        transport.close()


def openssh(node, key_file, folder, *lines, fails=False):
    """What OpenSSH's sftp says to a batch."""
    batch = folder / "batch"
    batch.write_text("\n".join(lines) + "\n")
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes"]
    command = ["sftp", "-q", "-b", str(batch), "-i", str(key_file), "-P", str(SFTP_PORT)]
    for option in options:
        command += ["-o", option]
    run = subprocess.run([*command, f"station@{node.host}"], check=False, capture_output=True, text=True, timeout=60)
    assert (run.returncode != 0) == fails, run.stdout + run.stderr
    return run.stdout + run.stderr
