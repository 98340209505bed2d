"""SFTP for the accounts, homes, rights and policies of the FTP door; the one place that knows the inside of paramiko.

`listener` accepts on the event loop; every session then has a thread of paramiko's, and one for each SFTP channel, and
blocks in it as it likes. What the loop counts, the threads change through it.
"""
