"""Reads the authorities that certify clients: the file `cluster.client_ca`."""

from cryptography import x509

from cluster.problem import ConfigError, Problem
from cluster.settings import Cluster


def read_client_authorities(cluster: Cluster) -> tuple[x509.Certificate, ...]:
    """Every certificate of the file, none where there is no file; ConfigError when it cannot be used."""
    file = cluster.client_ca
    if file is None:
        return ()
    try:
        found = tuple(x509.load_pem_x509_certificates(file.read_bytes()))
        nodes = x509.load_pem_x509_certificates(cluster.ca.read_bytes())
    except OSError as error:
        what = f"cannot be used: {error.strerror}"
        raise ConfigError((Problem(str(error.filename), what, "check the path and its permissions"),)) from error
    except ValueError as error:
        fix = "put the authority's certificate there, as PEM"
        raise ConfigError((Problem(str(file), "holds no certificates", fix),)) from error
    if any(authority in nodes for authority in found):
        fix = "make one that signs clients alone; docs/operations.md shows how"
        raise ConfigError((Problem(str(file), "holds cluster.ca, so that every client could be a node", fix),))
    return found
