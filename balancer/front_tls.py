"""The TLS of the front legs: the balancer's certificate as it was last read, and a context for each session."""

from OpenSSL import SSL

from cluster.settings import Settings
from cluster.tls_identity import read_identity


class FrontTls:
    """What new sessions speak TLS with. Making it reads certificate and key; ConfigError when they do not do."""

    def __init__(self, settings: Settings) -> None:
        self.adopt(settings)

    def adopt(self, settings: Settings) -> None:
        """Read them anew, for the handshakes to come; ConfigError, and then all stays as it was.

        Open sessions keep their context, so that their data connections still resume their TLS.
        """
        self._identity = read_identity(settings.balancer.certificate, settings.balancer.key)
        self._asking = frozenset(site for site in settings.sites if settings.asks_for_certificates(site))

    def session_context(self, sites: frozenset[str]) -> SSL.Context:
        """A new context for the connections of one session, of whichever of these sites."""
        return self._identity.session_context(asks_client=bool(sites & self._asking))
