"""Reads the key that clients know the cluster by."""

from pathlib import Path

import paramiko

from cluster.problem import ConfigError, Problem


def read_host_key(path: Path) -> paramiko.PKey:
    """The Ed25519 key in the file at `path`; ConfigError when there is none that can be used."""
    try:
        return paramiko.Ed25519Key.from_private_key_file(str(path))
    except (OSError, ValueError, paramiko.SSHException) as error:
        fix = "`ssh-keygen -t ed25519 -N '' -f FILE` makes one; clients know the old one, so restore it if you can"
        raise ConfigError((Problem("cluster.sftp_host_key", f"{path} cannot be used: {error}", fix),)) from error
