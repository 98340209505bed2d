"""The TLS of the back legs: the balancer is the client, and knows a node by the cluster's authority and its name."""

from OpenSSL import SSL

from balancer.tls_pump import TlsPump
from cluster.problem import ConfigError, Problem
from cluster.settings import Settings


class NodeTls:
    """Makes the back legs' TLS; ConfigError when the cluster's authority cannot be read."""

    def __init__(self, settings: Settings) -> None:
        self.is_on = settings.balancer.node_tls == "required"
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
        context.set_verify(SSL.VERIFY_PEER)
        context.set_alpn_protos([b"ftp"])
        try:
            context.load_verify_locations(str(settings.cluster.ca))
        except SSL.Error as error:
            what, fix = f"{settings.cluster.ca} is no authority's certificate", "`tripod init` writes one"
            raise ConfigError((Problem("cluster.ca", what, fix),)) from error
        self._context = context

    def pump(self, node: str, session: SSL.Session | None = None) -> TlsPump:
        """A connection to `node`; its data connections go on with the `session` of the control connection."""
        return TlsPump(self._context, node, session)
