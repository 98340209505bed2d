"""TLS as a pump between two byte streams, so that the end of a stream shows what it was.

asyncio reports a TLS stream that just stops as if it had ended well; uploads need to know (see core.events.Ending).
"""

import contextlib
import ssl
from pathlib import Path
from typing import Final

_READ_BYTES: Final = 256 << 10


class TruncatedError(Exception):
    """The stream ended without close_notify, or is no TLS: what came may not be all."""


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """The context of the front legs: TLS 1.2 or newer; OSError or ssl.SSLError when the files do not do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.load_cert_chain(certificate, key)
    return context


class TlsPump:
    """One TLS connection, server side: `feed` what came, `take` what must go out."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def feed(self, data: bytes) -> None:
        """Take bytes from the wire; empty means that the wire has ended."""
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def take(self) -> bytes:
        """Bytes for the wire; empty when there are none."""
        return self._outgoing.read()

    def shake_hands(self) -> bool:
        """Go on with the handshake; whether it is done; TruncatedError when it failed."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise TruncatedError(f"TLS handshake: {error.reason or error}") from error
        return True

    def read(self) -> bytes | None:
        """Decrypted bytes; empty after close_notify, None when more must be fed first; TruncatedError."""
        try:
            return self._tls.read(_READ_BYTES)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:
            return b""
        except ssl.SSLError as error:
            raise TruncatedError(f"TLS: {error.reason or error}") from error

    def write(self, data: bytes | memoryview) -> None:
        """Encrypt `data`; `take` it afterwards."""
        if data:
            self._tls.write(data)

    def say_goodbye(self) -> None:
        """Put close_notify on the wire."""
        # Whether the other end says it too is read off its stream, not here.
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
