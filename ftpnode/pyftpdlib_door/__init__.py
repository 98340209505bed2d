"""The one place that knows the inside of pyftpdlib: its event loop, its control and data channels.

Each override says which behaviour of pyftpdlib it replaces. Commands are not pyftpdlib's `ftp_…` methods but the
functions in `ftpnode.commands`: its own resolve paths, open files and block the loop in ways that nothing can be
promised on.
"""
