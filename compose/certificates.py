"""Knows the certificates that cluster.yaml names: whose they are and when they end."""

import datetime
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509
from cryptography.x509.oid import NameOID

from cluster.settings import Settings

WARNING_DAYS: Final = 30


class CertificateState(StrEnum):
    """What an operator has to do about a certificate: nothing, soon something, at once."""

    GOOD = "good"
    ENDS_SOON = "ends soon"
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    NOT_HERE = "not on this host"
    UNREADABLE = "unreadable"


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate of the file: `where` the file names it, and whose it is; the rest is empty if unread."""

    where: str
    file: str
    state: CertificateState
    subject: str = ""
    issuer: str = ""
    ends: datetime.datetime | None = None
    days_left: int | None = None


def certificates(settings: Settings, now: datetime.datetime) -> tuple[Certificate, ...]:
    """Every certificate the file names, as it is on this host; hosts hold only their own."""
    return tuple(one for where, file in _named(settings) for one in _look(where, file, now))


def judge(begins: datetime.datetime, ends: datetime.datetime, now: datetime.datetime) -> CertificateState:
    """What to say of a certificate that is valid from `begins` until `ends`."""
    if now >= ends:
        return CertificateState.EXPIRED
    if now < begins:
        return CertificateState.NOT_YET_VALID
    soon = ends - now < datetime.timedelta(days=WARNING_DAYS)
    return CertificateState.ENDS_SOON if soon else CertificateState.GOOD


def _named(settings: Settings) -> Iterator[tuple[str, Path]]:
    yield "cluster.ca", settings.cluster.ca
    if settings.cluster.client_ca is not None:
        yield "cluster.client_ca", settings.cluster.client_ca
    for name, node in settings.nodes.items():
        yield f"nodes.{name}", node.certificate
    yield "balancer", settings.balancer.certificate


def _look(where: str, file: Path, now: datetime.datetime) -> Iterator[Certificate]:
    """Every certificate of a file: issuers too, which end as well."""
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except FileNotFoundError:
        yield Certificate(where=where, file=str(file), state=CertificateState.NOT_HERE)
        return
    except (OSError, ValueError):
        yield Certificate(where=where, file=str(file), state=CertificateState.UNREADABLE)
        return
    for certificate in found:
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        yield Certificate(
            where=where,
            file=str(file),
            state=judge(begins, ends, now),
            subject=_common_name(certificate.subject),
            issuer=_common_name(certificate.issuer),
            ends=ends,
            days_left=(ends - now).days,
        )


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()
