"""The FTP commands, a file for each family: functions that take the session and the argument, and reply.

None of them blocks: what touches the disk, the replicator or a password runs in a worker thread.
"""
