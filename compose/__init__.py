"""Puts the parts together: the `tripod` command, new clusters, the lab on loopback, the lab in containers."""
