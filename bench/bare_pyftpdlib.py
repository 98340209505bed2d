"""A peer: pyftpdlib as it comes, with one account; no staging, no fsync, no hashing of passwords."""

import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.servers import FTPServer


def main(address: str, port: str, root: str, password: str, certificate: str, key: str) -> None:
    authorizer = DummyAuthorizer()
    authorizer.add_user("station", password, root, perm="elradfmwMT")
    handler = TLS_FTPHandler if certificate else FTPHandler
    handler.authorizer = authorizer
    if certificate:
        handler.certfile, handler.keyfile = certificate, key
    server = FTPServer((address, int(port)), handler)
    server.max_cons = 100_000  # its default of 512 would turn away the idle sessions that are counted
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
