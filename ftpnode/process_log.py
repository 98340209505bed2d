"""Starts the log of one of ftpnode's processes."""

import logging

from cluster.log import LogFormat, start_logging


def start_process_log(log_format: LogFormat) -> None:
    """Log to standard error, without what the libraries say of every stranger at the door."""
    start_logging(log_format, part="ftpnode")
    logging.getLogger("pyftpdlib").setLevel(logging.WARNING)
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # its errors are what strangers send to the port
