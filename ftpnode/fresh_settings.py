"""Reads cluster.yaml anew for a running ftpnode, and lets it follow: accounts, limits, certificates, greetings.

No session is dropped, but for those whose account is gone, or has another home: they end after what they are doing.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from cryptography.x509 import Certificate

from cluster.live import Reloaded
from cluster.problem import ConfigError, Problem
from cluster.read_settings import read_settings
from cluster.settings import Settings
from cluster.tls_identity import TlsIdentity, read_identity
from ftpnode.client_authorities import read_client_authorities
from ftpnode.core.reload import changed_sections, needs_restart
from ftpnode.core.rights import settings_at

if TYPE_CHECKING:
    from ftpnode.pyftpdlib_door.session import Session
    from ftpnode.service import Service


class FreshSettings(msgspec.Struct, frozen=True):
    """Settings that this process can follow, and the certificates as they are on disk now."""

    settings: Settings
    identity: TlsIdentity
    client_authorities: tuple[Certificate, ...]


def read_anew(file: Path, old: Settings, node: str) -> FreshSettings:
    """Read `file` and the certificates; ConfigError with every reason why the node must keep the `old` settings."""
    settings = read_settings(file)
    settings = settings_at(settings, node) if node in settings.nodes else settings
    if problems := needs_restart(old, settings, node):
        raise ConfigError(problems)
    return with_certificates(settings, node)


def with_certificates(settings: Settings, node: str) -> FreshSettings:
    """The settings, and what is read from the disk with them; ConfigError with every reason why it cannot be used."""
    identity = read_identity(settings.nodes[node].certificate, settings.nodes[node].key)
    return FreshSettings(settings, identity, read_client_authorities(settings.cluster))


def cannot_use(error: OSError, what: str) -> ConfigError:
    """What to say of a file or folder that the disk refused; `what` names it where the error does not."""
    where, fix = str(error.filename or what), "check the path and its permissions"
    return ConfigError((Problem(where, f"cannot be used: {error.strerror}", fix),))


def adopt(fresh: FreshSettings, service: "Service", sites: "Iterable[type[Session]]") -> Reloaded:
    """Work by these settings from now on; to be called on the sessions' loop."""
    settings = fresh.settings
    changed = changed_sections(service.settings, settings)
    service.adopt(settings, fresh.client_authorities)
    service.access_logs.reopen(service.node.logs)
    for site in sites:
        site.site = settings.sites[site.site_name]
        site.identity = fresh.identity
        site.timeout = settings.limits.idle_timeout_s
    for session in service.sessions.live():
        session.follow(settings)
    return Reloaded(changed)
