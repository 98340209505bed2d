"""A replicator for tests: speaks cluster.publish on the socket, publishes into the root, misbehaves when told to."""

import contextlib
import socket
import threading

from cluster.content_id import content_id_of
from cluster.frame import FrameReader, frame
from cluster.health import NodeState, ReplicatorHealth
from cluster.publish import (
    SOCKET_NAME,
    Arriving,
    Ask,
    Copies,
    Cut,
    Describe,
    Described,
    DescribedFiles,
    DescribeFiles,
    Done,
    Fetch,
    FindPartial,
    MakeDirectory,
    Measure,
    Measured,
    OutOfOrder,
    PartialFound,
    Publish,
    Reason,
    Refused,
    Remove,
    Rename,
    State,
    decode_request,
    encode,
)
from ftpnode.tree_usage import count_tree
from tests.kit.wait import PATIENCE_S


class FakeReplicator:
    """`behave(answer)`: what it does with each request but Ask and the making of homes; default: does it, 2 copies."""

    def __init__(self, node):
        self.root = node.root
        self.path = node.state / SOCKET_NAME
        self.state = NodeState.READY
        self.seen = []
        self.questions = []
        self.arriving = []
        self.out_of_order = []
        self.cut = []
        self.partials = {}
        self.elsewhere = {}
        self._threads = []
        self._connections = set()
        self._lock = threading.Lock()
        self.behave()

    def behave(self, answer=None):
        self._answer = answer or self.do
        self.state = NodeState.READY
        self.seen.clear()
        self.questions.clear()
        self.arriving.clear()
        self.out_of_order.clear()
        self.cut.clear()
        self.partials.clear()
        self.elsewhere.clear()

    def __enter__(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.listen()
        return self

    def __exit__(self, *_):
        self.die()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def listen(self):
        self.path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._start(self._accept, self._listener)

    def die(self):
        """Close everything, as a killed process does."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()

    def hang_up(self):
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _start(self, target, *arguments):
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with self._lock:
                    self._connections.add(connection)
                self._start(self._serve, connection)

    def _serve(self, connection):
        reader = FrameReader()
        with contextlib.suppress(OSError), connection:
            while data := connection.recv(65536):
                for payload in reader.feed(data):
                    answer = self._answer_to(decode_request(payload))
                    if answer is not None:
                        connection.sendall(frame(encode(answer)))
        with self._lock:
            self._connections.discard(connection)

    def _answer_to(self, request):
        if isinstance(request, Ask):
            return State(id=request.id, health=ReplicatorHealth(node="node1", incarnation="1", state=self.state))
        if isinstance(request, Arriving | OutOfOrder | Cut | FindPartial):
            return self._of_uploads(request)
        if isinstance(request, MakeDirectory) and "/" not in request.path:
            return self.do(request)
        if isinstance(request, Describe):
            return self._described(request)
        if isinstance(request, DescribeFiles):
            return self.described_files(request)
        if isinstance(request, Measure):
            return self._measured(request)
        self.seen.append(request)
        return self._answer(request)

    def _described(self, request):
        try:
            content_id = content_id_of((self.root / request.path).read_bytes())
        except OSError:
            return Refused(id=request.id, reason=Reason.NOT_FOUND, text="not found")
        return Described(id=request.id, content_id=content_id, copies=2, nodes=3)

    def described_files(self, request):
        self.questions.append(request)
        known = {name: self._described(Describe(id=0, path=f"{request.folder}/{name}")) for name in request.names}
        files = {name: Copies(one.content_id, 2) for name, one in known.items() if isinstance(one, Described)}
        return DescribedFiles(id=request.id, files=files)

    def _of_uploads(self, request):
        if isinstance(request, FindPartial):
            content = self.partials.get((request.account, request.path))
            if content is None or (self.root / request.path).exists():
                return Refused(id=request.id, reason=Reason.NOT_FOUND, text="nothing has come")
            (self.root / ".tripod/staging/cut-1").write_bytes(content + b"and more")
            return PartialFound(id=request.id, name="cut-1", size_bytes=len(content))
        if isinstance(request, Cut):
            (self.root / ".tripod/staging" / request.staged).unlink()
        {Arriving: self.arriving, OutOfOrder: self.out_of_order, Cut: self.cut}[type(request)].append(request)
        return Done(id=request.id, copies=1, wanted=1)

    def _measured(self, request):
        used = count_tree(self.root, request.folder)
        there = self.root / request.path
        file_bytes = there.stat().st_size if request.path and there.is_file() else None
        return Measured(id=request.id, used=used, file_bytes=file_bytes)

    def do(self, request, copies=2, wanted=2):
        """Publish as a replicator would, without any of its care."""
        try:
            self._do(request)
        except FileExistsError:
            return Refused(id=request.id, reason=Reason.EXISTS, text="exists")
        except OSError:
            return Refused(id=request.id, reason=Reason.NOT_FOUND, text="not found")
        return Done(id=request.id, copies=copies, wanted=wanted)

    def _do(self, request):
        match request:
            case Publish():
                (self.root / ".tripod/staging" / request.staged).rename(self.root / request.path)
            case MakeDirectory():
                (self.root / request.path).mkdir()
            case Remove(kind="file"):
                (self.root / request.path).unlink()
            case Remove():
                (self.root / request.path).rmdir()
            case Rename():
                (self.root / request.source).rename(self.root / request.target)
            case Fetch(path=path) if path in self.elsewhere:
                content = self.elsewhere[path]
                (self.root / path).mkdir() if content is None else (self.root / path).write_bytes(content)
            case Fetch(path=path):
                (self.root / path).lstat()


def refuse(reason):
    return lambda request: Refused(id=request.id, reason=reason, text="because")


def lost_everywhere(request):
    """No node gives what is asked for, but it may be changed."""
    if isinstance(request, Fetch):
        return refuse(Reason.NOT_READY)(request)
    return Done(id=request.id, copies=2, wanted=2)


def hang(_request):
    return None
