"""Takes files in: FTP and explicit FTPS for the sites of one node.

`core` decides; `commands` has one file for each family of FTP commands; `pyftpdlib_door` is the one place that knows
the inside of pyftpdlib; the other files do one thing each with the disk, the replicator, threads or numbers.
"""
