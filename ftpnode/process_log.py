"""Starts the log of one of ftpnode's processes."""

import logging

from cluster.log import LogFormat, start_logging


def start_process_log(log_format: LogFormat, **more: int) -> None:
    """Log to standard error, without what the libraries say of every stranger at the door; every event has `more`."""
    start_logging(log_format, part="ftpnode", **more)
    logging.getLogger("pyftpdlib").setLevel(logging.WARNING)
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # its errors are what strangers send to the port
