"""TLS as a pump between two byte streams, so that the end of a stream shows what it was.

asyncio reports a TLS stream that just stops as if it had ended well; uploads need to know (see core.events.Ending).
"""

import contextlib
from typing import Final

from OpenSSL import SSL

from cluster.tls_identity import client_certificate, copy_of_session, server_names, session_was_reused

_RECORD_BYTES: Final = 16 << 10
_RECORDS_AT_ONCE: Final = 16
_WIRE_BYTES: Final = 256 << 10


class TruncatedError(Exception):
    """The stream ended without close_notify, or is no TLS: what came may not be all."""


class TlsPump:
    """One TLS connection: `feed` what came, `take` what must go out. It is the server, or with `server` the client.

    The client knows its server by the name `server` in its certificate, and may go on with an earlier `session`.
    """

    def __init__(self, context: SSL.Context, server: str = "", session: SSL.Session | None = None) -> None:
        self._tls = SSL.Connection(context, None)
        self._server = server
        self._trouble: TruncatedError | None = None
        if not server:
            self._tls.set_accept_state()
            return
        self._tls.set_connect_state()
        self._tls.set_tlsext_host_name(server.encode())
        if session is not None:
            self._tls.set_session(copy_of_session(session))

    @property
    def session(self) -> SSL.Session | None:
        """What another connection to the same server can go on with, once something has come under TLS."""
        return self._tls.get_session()

    @property
    def was_resumed(self) -> bool:
        """Whether the handshake resumed an earlier session of its context."""
        return session_was_reused(self._tls)

    @property
    def owes_only_tickets(self) -> bool:
        """Whether all that must go out after the handshake is session tickets: those of a server in TLS 1.3.

        They can wait for the first data or the end. A client that only uploads need not read them, and when it closes
        its connection with them unread, its kernel resets it and drops what it has not sent yet.
        """
        return not self._server and self._tls.get_protocol_version_name() == "TLSv1.3"

    @property
    def client_certificate(self) -> bytes:
        """The certificate (DER) that the client has shown and holds the key of; empty without one."""
        return client_certificate(self._tls)

    def feed(self, data: bytes) -> None:
        """Take bytes from the wire; empty means that the wire has ended."""
        if data:
            self._tls.bio_write(data)
        else:
            self._tls.bio_shutdown()

    def take(self) -> bytes:
        """Bytes for the wire; empty when there are none."""
        found: list[bytes] = []
        with contextlib.suppress(SSL.WantReadError):
            while not found or len(found[-1]) == _WIRE_BYTES:
                found.append(self._tls.bio_read(_WIRE_BYTES))
        return b"".join(found)

    def shake_hands(self) -> bool:
        """Go on with the handshake; whether it is done; TruncatedError when it failed."""
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            raise TruncatedError(f"TLS handshake: {_reason(error)}") from error
        if self._server and self._server not in server_names(self._tls):
            raise TruncatedError(f"the certificate is not that of {self._server}")
        return True

    def read(self) -> bytes | None:
        """All bytes that can be decrypted now; empty after close_notify, None when more must be fed first.

        TruncatedError, after every good byte before it.
        """
        records: list[bytes] = []
        try:
            while self._trouble is None and len(records) < _RECORDS_AT_ONCE:
                records.append(self._tls.recv(_RECORD_BYTES))
        except SSL.WantReadError:
            return b"".join(records) or None
        except SSL.ZeroReturnError:
            return b"".join(records)  # and the next time b"", for close_notify stands
        except SSL.Error as error:
            self._trouble = TruncatedError(f"TLS: {_reason(error)}")
            self._trouble.__cause__ = error
        if self._trouble is not None and not records:
            raise self._trouble
        return b"".join(records)

    def write(self, data: bytes | memoryview) -> None:
        """Encrypt `data`; `take` it afterwards. TruncatedError when this connection takes no more."""
        if not data:
            return
        try:
            self._tls.sendall(data)
        except SSL.Error as error:
            raise TruncatedError(f"TLS: {_reason(error)}") from error

    def say_goodbye(self) -> None:
        """Put close_notify on the wire."""
        # Whether the other end says it too is read off its stream, not here.
        with contextlib.suppress(SSL.Error):
            self._tls.shutdown()


def _reason(error: SSL.Error) -> str:
    """OpenSSL's own words: its errors carry a list of (library, function, reason) or a system's error."""
    found = error.args[0] if error.args else None
    if isinstance(found, list) and found:
        return str(found[0][-1])
    return str(error.args[-1]) if error.args else type(error).__name__
