"""TLS as clients meet it, at a node and at the balancer: TLS 1.2 and newer, a certificate, a context for each session.

With a context of its own, no session's TLS can be resumed on the data connection of another. Certificate and key are
read once, so that a context takes a third of a millisecond, less than the handshake.
"""

import secrets
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from OpenSSL import SSL
from OpenSSL._util import ffi, lib

from cluster.problem import ConfigError, Problem

_FTP_NAMES: Final = frozenset({b"ftp", b"ftp-data", b"x-filezilla-ftp"})
_RESUMABLE_S: Final = 7 * 86400
"""The most that TLS 1.3 allows (RFC 8446 section 4.6.1): no control connection may outlive its own tickets."""


class TlsIdentity:
    """A certificate chain and its key. Making it reads them: OSError or ConfigError when they are not usable."""

    def __init__(self, certificate: Path, key: Path) -> None:
        try:
            self._chain = x509.load_pem_x509_certificates(certificate.read_bytes())
            self._key = _signing_key(key.read_bytes())
            self.session_context().check_privatekey()
        except (ValueError, TypeError, SSL.Error) as error:
            what, fix = (
                "and its key are not a usable pair",
                "`tripod init` writes certificates and keys; or mend the paths",
            )
            raise ConfigError((Problem(str(certificate), what, fix),)) from error

    def session_context(self, *, asks_client: bool = False) -> SSL.Context:
        """A new context, for the control and data connections of one session.

        `asks_client`: ask the client for a certificate. Any is taken here, and none too: whom it lets in is judged at
        the login, so that a client without one, or with one for elsewhere, is served as ever.
        """
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
        context.set_session_id(secrets.token_bytes(16))
        context.set_timeout(_RESUMABLE_S)
        context.set_alpn_select_callback(_protocol)
        if asks_client:
            context.set_verify(SSL.VERIFY_PEER, _take_any)
        context.use_certificate(self._chain[0])
        for issuer in self._chain[1:]:
            context.add_extra_chain_cert(issuer)
        context.use_privatekey(self._key)
        return context


def read_identity(certificate: Path, key: Path) -> TlsIdentity:
    """A certificate and its key from their files; ConfigError when they cannot be used."""
    try:
        return TlsIdentity(certificate, key)
    except OSError as error:
        what = f"cannot be used: {error.strerror}"
        raise ConfigError((Problem(str(error.filename), what, "check the path and its permissions"),)) from error


def session_was_reused(connection: SSL.Connection) -> bool:
    """Whether this handshake resumed an earlier session of its context; pyOpenSSL has no public question for it."""
    return bool(lib.SSL_session_reused(connection._ssl))  # noqa: SLF001 - see above


def copy_of_session(session: SSL.Session) -> SSL.Session:
    """The same session in an object of its own: OpenSSL spoils that of a connection that is cut, for all who share it.

    pyOpenSSL has no public way.
    """
    held = session._session  # noqa: SLF001 - see above
    size_bytes = lib.i2d_SSL_SESSION(held, ffi.NULL)
    packed = ffi.new("unsigned char[]", size_bytes)
    lib.i2d_SSL_SESSION(held, ffi.new("unsigned char **", packed))
    made = lib.d2i_SSL_SESSION(ffi.NULL, ffi.new("const unsigned char **", packed), size_bytes)
    copy = SSL.Session()
    copy._context = session._context  # noqa: SLF001 - see above
    copy._session = ffi.gc(made, lib.SSL_SESSION_free)  # noqa: SLF001 - see above
    return copy


def client_certificate(connection: SSL.Connection) -> bytes:
    """The certificate (DER) whose key the client has proved to hold in the handshake; empty without one."""
    certificate = connection.get_peer_certificate(as_cryptography=True)
    return certificate.public_bytes(Encoding.DER) if certificate is not None else b""


def server_names(connection: SSL.Connection) -> frozenset[str]:
    """The DNS names for which the server's certificate stands; none without one."""
    certificate = connection.get_peer_certificate(as_cryptography=True)
    if certificate is None:
        return frozenset()
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(names.value.get_values_for_type(x509.DNSName))


def _take_any(*_: object) -> bool:
    return True


def _protocol(_connection: SSL.Connection, offered: list[bytes]) -> bytes:
    """The protocol of a handshake that offers some (ALPN, RFC 7301).

    A browser that an attacker has sent here offers `http/1.1`, and its handshake fails (ALPACA, CVE-2021-3618).
    """
    for name in offered:
        if name in _FTP_NAMES:
            return name
    raise SSL.Error("no FTP among the offered protocols")


def _signing_key(pem: bytes) -> EllipticCurvePrivateKey | RSAPrivateKey:
    key = load_pem_private_key(pem, password=None)
    if isinstance(key, EllipticCurvePrivateKey | RSAPrivateKey):
        return key
    raise ValueError("neither an EC key nor an RSA key")
