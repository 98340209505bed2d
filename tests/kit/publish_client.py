"""Speaks the publish protocol to a replicator, as an ftpnode would; and uploads by it."""

import itertools
import os
import socket
from pathlib import Path
from typing import Self

from cluster.clock import now_ns
from cluster.content_id import content_id_of
from cluster.frame import FrameReader, frame
from cluster.publish import SOCKET_NAME, Policy, Publish, decode_answer, encode
from cluster.settings import Node
from cluster.tree_path import STAGING

_names = itertools.count(1)


class PublishClient:
    """One connection to the publish socket of a node; one request at a time."""

    def __init__(self, node: Node, timeout_s: float = 30.0) -> None:
        self.node = node
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(node.state / SOCKET_NAME))
        except OSError:
            self._socket.close()
            raise
        self._reader = FrameReader()
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def next_number(self) -> int:
        return next(self._numbers)

    def ask(self, request):
        self._socket.sendall(frame(encode(request)))
        while True:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("the replicator hung up")
            payloads = self._reader.feed(data)
            if payloads:
                return decode_answer(payloads[0])

    def stage(self, data: bytes) -> str:
        name = f"up-{os.getpid()}-{next(_names)}"
        with (self.node.root / STAGING / name).open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return name

    def upload(self, path: str, data: bytes, policy: Policy | None = None, mtime_ns: int | None = None, account=""):
        return self.ask(
            Publish(
                id=self.next_number(),
                account=account,
                path=path,
                staged=self.stage(data),
                content_id=content_id_of(data),
                size_bytes=len(data),
                mtime_ns=now_ns() if mtime_ns is None else mtime_ns,
                policy=policy or Policy(),
            )
        )


def tree(root: Path) -> dict[str, bytes | None]:
    """What the clients of a node see: every path below its root with its content, None for a directory."""
    found: dict[str, bytes | None] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if name.split("/")[0] != ".tripod":
            try:
                found[name] = path.read_bytes() if path.is_file() else None
            except FileNotFoundError:
                continue
    return found
