"""A node that costs next to nothing, so that what stands before it is measured: uploads vanish in the kernel.

It logs anybody in, takes every upload without looking at it, and sends as many bytes as the name it is asked for says
(`RETR 1000000`). It says of itself what the balancer's prober wants to hear. One thread a connection.
"""

import itertools
import json
import mmap
import os
import resource
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cluster.proxy_header import FIXED_BYTES, body_length_bytes

PASSIVE = range(30000, 30064)
BLOCK_BYTES = 8 << 20
SAYS = {
    "USER": "331 and the password",
    "PASS": "230 in",
    "TYPE": "200 as you like",
    "PWD": '257 "/" is it',
    "MLST": "250-Listing\r\n type=file;size=1;modify=20260101000000; {}\r\n250 End",
    "SIZE": "213 {}",
    "QUIT": "221 bye",
}


class Sink:
    """One control connection; where it comes from `proxied`, a PROXY header comes first."""

    turns = itertools.count()
    block = os.memfd_create("block")
    nowhere = mmap.mmap(-1, BLOCK_BYTES)

    def __init__(self, control: socket.socket, *, proxied: bool) -> None:
        self._control = control
        self._lines = control.makefile("rb")
        self._listener: socket.socket | None = None
        if proxied:
            self._lines.read(body_length_bytes(self._lines.read(FIXED_BYTES)))

    def serve(self) -> None:
        with self._control, self._lines:
            self._say("220 sink")
            for line in self._lines:
                verb, _, argument = line.decode("latin-1").rstrip("\r\n").partition(" ")
                verb = verb.upper()
                if verb in SAYS:
                    self._say(SAYS[verb].format(argument))
                elif verb in {"PASV", "EPSV"}:
                    self._listen(verb)
                elif verb in {"STOR", "RETR"}:
                    self._transfer(verb, argument)
                else:
                    self._say("500 no")
                if verb == "QUIT":
                    return

    def _say(self, line: str) -> None:
        self._control.sendall(line.encode("latin-1") + b"\r\n")

    def _listen(self, verb: str) -> None:
        address = self._control.getsockname()[0]
        while True:
            port = PASSIVE[next(self.turns) % len(PASSIVE)]
            try:
                self._listener = socket.create_server((address, port))
                break
            except OSError:
                continue
        if verb == "EPSV":
            self._say(f"229 here (|||{port}|)")
        else:
            self._say(f"227 here ({address.replace('.', ',')},{port >> 8},{port & 255})")

    def _transfer(self, verb: str, name: str) -> None:
        assert self._listener is not None, "EPSV came before"
        self._say("150 go on")
        with self._listener, self._listener.accept()[0] as data:
            if verb == "STOR":
                # MSG_TRUNC drops what came without copying it (tcp(7)).
                while data.recv_into(self.nowhere, 0, socket.MSG_TRUNC):
                    pass
            else:
                left = int(name.rpartition("/")[2])
                while left:
                    left -= os.sendfile(data.fileno(), self.block, 0, min(left, BLOCK_BYTES))
        self._say("226 done")


class Health(BaseHTTPRequestHandler):
    """What an ftpnode says that is well and has banned nobody."""

    name = ""

    def do_GET(self) -> None:
        said = {"bans": []} if self.path == "/bans" else {"node": self.name, "state": "ready"}
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


def main(name: str, address: str, management_port: str, proxied_from: str, *ports: str) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    threading.stack_size(256 << 10)
    os.truncate(Sink.block, BLOCK_BYTES)
    Health.name = name
    threading.Thread(target=ThreadingHTTPServer((address, int(management_port)), Health).serve_forever).start()
    for port in ports:
        listener = socket.create_server((address, int(port)), backlog=1024)
        threading.Thread(target=_accept, args=(listener, proxied_from)).start()


def _accept(listener: socket.socket, proxied_from: str) -> None:
    while True:
        control, peer = listener.accept()
        control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(
            target=_serve, args=(control,), kwargs={"proxied": peer[0] == proxied_from}, daemon=True
        ).start()


def _serve(control: socket.socket, *, proxied: bool) -> None:
    try:
        Sink(control, proxied=proxied).serve()
    except (OSError, ValueError):
        control.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
