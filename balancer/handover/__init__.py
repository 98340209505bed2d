"""One balancer takes over from another on the same host: its listening sockets, its sessions, its place.

The old one (`giving`) waits at an abstract Unix address; the new one (`taking`) knocks there. Both live until the old
one's last session has ended: it has no more than its sessions, and goes on as before should the new one die.
"""
