"""One address for all: FTP sessions that are spread over the nodes and outlive them.

`core` decides and knows no socket, clock or TLS library; the files beside it act.
"""
