"""An FTP client that does exactly what it is told, also what no decent client does."""

import socket
import ssl
import struct

from tests.kit.wait import PATIENCE_S


class RawClient:
    """A control connection as lines; `data` connections are plain sockets the test may end as it likes."""

    def __init__(self, host, port, *, source=None, before=b"", greeting=True, implicit_tls=None):
        self.host = host
        self._source = (source, 0) if source else None
        self.socket = socket.create_connection((host, port), timeout=PATIENCE_S, source_address=self._source)
        if before and implicit_tls:  # what follows comes in the same segment
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        if before:
            self.socket.sendall(before)
        if implicit_tls:
            self.context = implicit_tls
            self.socket = implicit_tls.wrap_socket(self.socket, server_hostname=host)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        self._file = self.socket.makefile("rb")
        self.greeting = self.reply() if greeting else ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        try:
            return self._file.readline().decode()
        except ConnectionResetError:  # closed by the server while more of ours was on the way
            return ""

    def reply(self):
        """One whole reply; the empty string when the server has closed."""
        first = line = self.line()
        if first[3:4] == "-":
            while not line.startswith(first[:3] + " "):
                line = self.line()
                first += line
        return first.rstrip("\r\n")

    def ask(self, command):
        self.send(command.encode() + b"\r\n")
        return self.reply()

    def login(self, user, password):
        self.ask(f"USER {user}")
        reply = self.ask(f"PASS {password}")
        assert reply.startswith("230"), reply
        return self

    def start_tls(self, context):
        assert self.ask("AUTH TLS").startswith("234")
        self.context = context
        self._file.close()
        self.socket = context.wrap_socket(self.socket, server_hostname=self.host)
        self._file = self.socket.makefile("rb")
        return self

    def passive_port(self):
        reply = self.ask("EPSV")
        assert reply.startswith("229"), reply
        return int(reply.split("|")[3])

    def data(self, context=None):
        """A data connection to a fresh passive port; with a context it speaks TLS at the first use."""
        where = (self.host, self.passive_port())
        connection = socket.create_connection(where, timeout=10, source_address=self._source)
        if context is None:
            return connection
        session = self.socket.session if isinstance(self.socket, ssl.SSLSocket) else None
        return context.wrap_socket(connection, do_handshake_on_connect=False, session=session)

    def store(self, name, content, command="STOR"):
        with self.data() as data:
            opened = self.ask(f"{command} {name}")
            assert opened[:3] in {"125", "150"}, opened
            data.sendall(content)
        return self.reply()

    def fetch(self, name, command="RETR"):
        """The content, and the last reply."""
        with self.data() as data:
            opened = self.ask(f"{command} {name}")
            if opened[:3] not in {"125", "150"}:
                return None, opened
            content = b""
            while chunk := data.recv(65536):
                content += chunk
        return content, self.reply()


def reset(connection):
    """End a connection by RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
