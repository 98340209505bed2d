"""Decides whether a TLS client's certificate is an account's own.

The handshake has shown that the client holds its key; nothing else is believed of it before this.
"""

import datetime
from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import MD5, SHA1
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import crypto

from cluster.fingerprint import fingerprint, read_fingerprint
from ftpnode.core.login import Candidate

_UNREADABLE: Final = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    crypto.Error,
)


def complaint(
    der: bytes, found: Candidate, authorities: Sequence[x509.Certificate], now: datetime.datetime
) -> str | None:
    """Why `der` does not show that the client is `found`, for the log; None when it does.

    An account with fingerprints is known by them alone; one without by its name under one of `authorities`, which
    must have signed the certificate itself. `der` is empty for a client that has shown none.
    """
    if not der:
        return "no client certificate"
    try:
        certificate = x509.load_der_x509_certificate(der)
        if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
            return "client certificate out of its dates"
        pins = found.account.client_fingerprints
        if pins:
            known = fingerprint(der) in {read_fingerprint(pin) for pin in pins}
            return None if known else "client certificate with another fingerprint"
        return _not_certified(certificate, found.name, authorities, now)
    except _UNREADABLE:
        return "client certificate that cannot be read"


def _not_certified(
    certificate: x509.Certificate, name: str, authorities: Sequence[x509.Certificate], now: datetime.datetime
) -> str | None:
    if [one.value for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] != [name]:
        return "client certificate of another name"
    if not _is_for_clients(certificate):
        return "client certificate that is not for clients"
    if isinstance(certificate.signature_hash_algorithm, MD5 | SHA1):
        return "client certificate with a weak signature"
    store = crypto.X509Store()
    store.set_time(now)
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    for authority in authorities:
        store.add_cert(crypto.X509.from_cryptography(authority))
    try:
        crypto.X509StoreContext(store, crypto.X509.from_cryptography(certificate)).verify_certificate()
    except crypto.X509StoreContextError as error:
        return f"client certificate: {error}"
    return None


def _is_for_clients(certificate: x509.Certificate) -> bool:
    """Its extended key usage says so, or it has none (RFC 5280 section 4.2.1.12)."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.CLIENT_AUTH in usage
