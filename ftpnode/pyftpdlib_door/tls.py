"""The TLS settings of the sessions: TLS 1.2 and newer, the node's own certificate.

One context serves the whole process: loading a key for every session costs as much as a small upload. The price is
that a data connection may resume the TLS session of another control connection; nothing relies on resumption.
"""

from pathlib import Path
from typing import Final

from OpenSSL import SSL

from cluster.problem import ConfigError, Problem

_SESSION_ID: Final = b"tripod-ftpnode"


def server_context(certificate: Path, key: Path) -> SSL.Context:
    """The context for control and data connections; ConfigError when certificate and key are not usable."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_session_id(_SESSION_ID)
    try:
        context.use_certificate_chain_file(str(certificate))
        context.use_privatekey_file(str(key))
        context.check_privatekey()
    except SSL.Error as error:
        what, fix = "and its key are not a usable pair", "`tripod init` writes certificates and keys; or mend the paths"
        raise ConfigError((Problem(str(certificate), what, fix),)) from error
    return context
